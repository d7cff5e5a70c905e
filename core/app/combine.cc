// combine.cc - `plugtune combine`: several finished runs of one method as one.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <iostream>

#include "app/combining.h"
#include "app/command_line.h"
#include "app/write_run.h"
#include "report/text_table.h"

namespace plugtune::app {
namespace {

/// The whole of `text` as a number; empty when it is none.
template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<double> weights_of(const std::string& text) {
  std::vector<double> weights;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const auto weight = number_of<double>(std::string_view(text).substr(begin, end - begin));
    if (!weight || !std::isfinite(*weight))
      throw Error(fmt::format("combine: --weights must be numbers between commas, such as 0.7,0.3, got '{}'", text));
    weights.push_back(*weight);
    begin = end + 1;
  }
  return weights;
}

CombineOptions options_of(const CommandLine& line) {
  CombineOptions options;
  options.method = line.text("method");
  if (line.has("weights")) options.weights = weights_of(line.text("weights"));
  if (line.has("density")) {
    options.density = number_of<double>(line.text("density"));
    if (!options.density)
      throw Error(fmt::format("combine: --density must be a number, such as 0.5, got '{}'", line.text("density")));
  }
  if (line.has("rank")) {
    options.rank = number_of<int64_t>(line.text("rank"));
    if (options.rank.value_or(0) < 1)
      throw Error(fmt::format("combine: --rank must be a whole number of at least 1, got '{}'", line.text("rank")));
  }
  if (line.has("seed")) {
    options.seed = number_of<int64_t>(line.text("seed"));
    if (options.seed.value_or(-1) < 0)
      throw Error(fmt::format("combine: --seed must be a whole number of at least 0, got '{}'", line.text("seed")));
  }
  if (line.has("sign")) options.sign = line.text("sign");
  return options;
}

void print_errors(const std::vector<std::pair<std::string, double>>& errors) {
  if (errors.empty()) return;
  report::TextTable table({{"site"}, {"relative error", true}});
  std::pair<std::string, double> largest = errors.front();
  double sum = 0;
  for (const auto& [site, error] : errors) {
    table.add({site, fmt::format("{:.2e}", error)});
    sum += error;
    if (error > largest.second) largest = {site, error};
  }
  std::cout << table.terminal()
            << fmt::format(
                   "error: at most {:.2e} ({}), on average {:.2e}; of the summed update, in the Frobenius norm\n",
                   largest.second, largest.first, sum / static_cast<double>(errors.size()));
}

std::string sum_text(const CombineOptions& options) {
  std::vector<std::string> terms;
  for (size_t i = 0; i < options.names.size(); ++i)
    terms.push_back(fmt::format("{:.4g} x {}", options.weights[i], options.names[i]));
  return join(terms, " + ");
}

}  // namespace

int combine_command(const Arguments& arguments) {
  CommandLine line("combine",
                   "Makes one finished run of several of the same base and method; no training, no data.\n"
                   "It can be evaluated, predicted with, trained on (run.from), merged and exported.",
                   {"plugtune combine runs/a runs/b --method svd --rank 8 --weights 0.7,0.3 --output runs/ab",
                    "plugtune combine runs/a runs/b --method ties --density 0.2 --head runs/a --output runs/ab"});
  line.positional("RUN", /*many=*/true)
      .value("output", "RUN", "the run directory to make")
      .value("method", "NAME", "how, in the words of the strategy (its README); without it, the strategy's first")
      .value("weights", "W,W,...", "of each run; without it, 1 / the number of runs")
      .value("density", "PART", "of methods that prune: the part of the numbers that is kept; without it, 0.5")
      .value("sign", "HOW", "of methods that elect signs: total (by size) or frequency; without it, total")
      .value("rank", "N", "of methods that choose a rank; without it, the largest of the runs'")
      .value("seed", "N", "of methods that prune at random; without it, 0")
      .value("head", "RUN", "the run whose head is kept; without it, the average of all")
      .value("model", "BASE", "the base model, where it lies elsewhere than when the runs were trained")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;
  if (!line.has("output")) throw Error("combine: --output RUN is required: the run directory to make");
  const std::filesystem::path run = line.text("output");
  check_new_run("combine", run);
  CombineRequest request{line.texts("RUN"), options_of(line), line.has("head") ? line.text("head") : kAverageHead,
                         run.filename().string(), line.text("model")};
  CombinedRun combined = combine_runs(request, line.search_path());
  write_finished_run(combined.session, run);
  for (const std::string& note : combined.notes)
    std::cout << "note  " << note << "\n";
  print_errors(combined.errors);
  const Session& session = combined.session;
  std::cout << fmt::format("{}: {} of {} on {}, head: {}\n", run.string(), combined.options.method,
                           sum_text(combined.options), session.experiment.model.path, request.head);
  return kDone;
}

}  // namespace plugtune::app
