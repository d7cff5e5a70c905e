// bench.cc - `plugtune bench`: how fast a training is on this machine, and how much memory it takes.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "app/bench_experiment.h"
#include "app/bench_profile.h"
#include "app/command_line.h"
#include "app/process.h"
#include "app/session.h"
#include "formats/temporary_directory.h"
#include "formats/wording.h"
#include "kernels/simd.h"
#include "model/nominal_flop.h"
#include "report/text_table.h"
#include "train/trainer.h"

namespace plugtune::app {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Notes when each step ended, from begin() on.
class StepClock final : public train::Listener {
 public:
  void begin() { start_ = Clock::now(); }
  void on_step(const train::StepReport& report) override {
    if (ends.empty()) first_step_seconds = process_seconds();
    ends.push_back(seconds_since(start_));
    losses.push_back(report.loss);
    if (after_step) after_step();
  }
  void on_evaluation(const train::EvalReport&) override {}
  void on_message(const std::string& line) override { notes.push_back(line); }

  std::function<void()> after_step;
  std::vector<double> ends, losses;
  std::vector<std::string> notes;
  double first_step_seconds = 0;  ///< since the process began

 private:
  Clock::time_point start_ = Clock::now();
};

/// The product of two square matrices that fit no cache level alone, at its fastest: what a step could at most reach.
double matrix_peak(torch::Dtype type) {
  constexpr int64_t kSize = 1536;
  constexpr double kSeconds = 1;
  const torch::NoGradGuard no_grad;
  const Tensor a = torch::randn({kSize, kSize}).to(type), b = torch::randn({kSize, kSize}).to(type);
  double best = 0;
  for (const auto start = Clock::now(); seconds_since(start) < kSeconds;) {
    const auto begin = Clock::now();
    torch::mm(a, b);  // as the model's products; mm_out is slow in bf16 where the processor has no bf16
    best = std::max(best, 2.0 * kSize * kSize * kSize / seconds_since(begin));
  }
  return best;
}

/// The batches of the steps, one JSON line each, so that another program can train on the same.
void write_batches(const std::string& path, const data::BatchPlan& plan, int64_t steps) {
  std::ofstream file(path);
  for (int64_t step = 0; step < steps; ++step) {
    Json ids = Json::array(), targets = Json::array();
    for (const data::Batch& batch : plan.step(step)) {
      const int64_t* tokens = batch.input.ids.const_data_ptr<int64_t>();
      for (int64_t i = 0; i < batch.input.layout.sequences(); ++i)
        ids.push_back(
            std::vector<int64_t>(tokens + batch.input.layout.offset(i), tokens + batch.input.layout.offset(i + 1)));
      for (int64_t i = 0; i < batch.targets.size(0); ++i)
        targets.push_back(batch.targets[i].item<double>());
    }
    file << Json{{"ids", std::move(ids)}, {"targets", std::move(targets)}}.dump() << "\n";
  }
  if (!file.flush()) throw Error(fmt::format("{}: cannot be written", path));
}

/// What a measurement came to, by the names of docs/performance.md.
Json result_of(const Session& session, const train::Trainer& trainer, const StepClock& clock, double tokenize_seconds,
               int64_t trainable, int64_t warm_up) {
  const experiment::Experiment& experiment = session.experiment;
  const auto steps = static_cast<int64_t>(clock.ends.size());
  double rows = 0, sequences = 0, squares = 0;
  for (int64_t step = warm_up; step < steps; ++step) {
    for (const data::Batch& batch : trainer.plan().step(step)) {
      sequences += static_cast<double>(batch.input.layout.sequences());
      rows += static_cast<double>(batch.input.layout.rows());
      for (int64_t i = 0; i < batch.input.layout.sequences(); ++i)
        squares += static_cast<double>(batch.input.layout.length(i) * batch.input.layout.length(i));
    }
  }
  const double begin = warm_up == 0 ? 0 : clock.ends[static_cast<size_t>(warm_up - 1)];
  const double seconds = clock.ends.back() - begin;
  const bool is_bf16 = experiment.train.precision == train::Precision::kBf16;
  const double memory = static_cast<double>(peak_memory_bytes());  // before the product below takes its own
  const double peak = matrix_peak(is_bf16 ? torch::kBFloat16 : torch::kFloat);
  std::string strategies;
  for (const auto& strategy : session.methods.all())
    strategies += (strategies.empty() ? "" : "+") + strategy.name();
  return {{"strategy", strategies},
          {"model", experiment.model.path},
          {"order", experiment.train.group_by_length ? "grouped" : "uniform"},
          {"precision", is_bf16 ? "bf16" : "fp32"},
          {"trainable", trainable},
          {"batch_size", experiment.train.batch_size},
          {"steps", steps - warm_up},
          {"rows_per_step", rows / static_cast<double>(steps - warm_up)},
          {"ms_step", 1e3 * seconds / static_cast<double>(steps - warm_up)},
          {"us_per_token", 1e6 * seconds / rows},
          {"sentences_per_second", sequences / seconds},
          {"first_step_seconds", clock.first_step_seconds},
          {"tokenize_seconds", tokenize_seconds},
          {"peak_memory_bytes", static_cast<int64_t>(memory)},
          {"matrix_peak_gflops", peak / 1e9},
          {"share_of_peak", model::nominal_flop_per_row(session.model(), squares / rows) * rows / seconds / peak},
          {"threads", at::get_num_threads()},
          {"instruction_set", kernels::instruction_set()},
          {"notes", clock.notes},
          {"losses", clock.losses}};
}

std::string text_of(const Json& result) {
  const auto number = [&](const char* key) { return result.at(key).get<double>(); };
  const auto text = [&](const char* key) { return result.at(key).get<std::string>(); };
  std::string out =
      fmt::format("{} on {}, {} order, {}, {} threads ({})\n\n", text("strategy"), text("model"), text("order"),
                  text("precision"), result.at("threads").get<int>(), text("instruction_set"));
  const auto line = [&](const char* name, const std::string& value) {
    out += fmt::format("  {:<22} {}\n", name, value);
  };
  line("a step", fmt::format("{:.1f} ms, {} sequences, {:.0f} tokens", number("ms_step"),
                             result.at("batch_size").get<int64_t>(), number("rows_per_step")));
  line("a token", fmt::format("{:.1f} us", number("us_per_token")));
  line("sequences per second", fmt::format("{:.0f}", number("sentences_per_second")));
  line("share of matrix peak",
       fmt::format("{:.0f} % of {:.0f} GFLOP/s", 100 * number("share_of_peak"), number("matrix_peak_gflops")));
  line("peak memory", formats::size_text(static_cast<uint64_t>(number("peak_memory_bytes"))));
  line("first step after", fmt::format("{:.2f} s, of which reading and tokenizing {:.2f} s",
                                       number("first_step_seconds"), number("tokenize_seconds")));
  for (const auto& note : result.at("notes"))
    line("note", note.get<std::string>());
  line("trainable parameters", formats::grouped(result.at("trainable").get<int64_t>()));
  return out;
}

int64_t whole_number(const CommandLine& line, const std::string& option, int64_t fallback, int64_t lowest) {
  if (!line.has(option)) return fallback;
  const std::string text = line.text(option);
  const bool is_number =
      !text.empty() && text.size() < 10 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number || std::stoll(text) < lowest)
    throw Error(fmt::format("--{}: must be a whole number of at least {}, got '{}'", option, lowest, text));
  return std::stoll(text);
}

int bench(const CommandLine& line) {
  BenchOptions options;
  const auto files = line.texts("experiment.toml");
  options.experiment = files.empty() ? "" : files.front();
  options.strategy = line.text("strategy");
  options.model_size = line.text("model-size");
  options.vocabulary = line.text("vocab");
  options.data = line.text("data");
  options.order = line.text("order") == "file" ? "" : line.text("order");
  options.batch_size = whole_number(line, "batch-size", 0, 1);
  options.overrides = line.texts("set");
  const int64_t warm_up = whole_number(line, "warm-up", 5, 0);
  options.steps = whole_number(line, "steps", 40, 1) + warm_up;
  BenchProfile profile(line);

  const formats::TemporaryDirectory scratch("bench");
  Session session = open_experiment(bench_experiment(options, scratch.path()), line.search_path());
  const auto start = Clock::now();
  const data::EncodedSplit split = encode_split(session, Split::kTrain);
  const double tokenize_seconds = seconds_since(start);
  const int64_t trainable = train::count_numbers(train::trainable_parameters(session.model()));
  StepClock clock;
  train::Trainer trainer({session.model(), session.methods, split, nullptr, nullptr, clock, session.experiment.train,
                          session.experiment.eval, static_cast<uint64_t>(session.experiment.run.seed)});
  if (line.has("batches")) write_batches(line.text("batches"), trainer.plan(), options.steps);
  const auto profile_if_warm = [&] {
    if (static_cast<int64_t>(clock.ends.size()) == warm_up) profile.start();
  };
  clock.after_step = profile_if_warm;
  clock.begin();
  profile_if_warm();
  trainer.run(/*resume=*/false);
  Json result = result_of(session, trainer, clock, tokenize_seconds, trainable, warm_up);
  if (options.model_size == "base" || options.model_size == "small") result["model"] = options.model_size;
  if (profile.is_asked_for()) {
    const double peak = 1e9 * result.at("matrix_peak_gflops").get<double>();
    profile.finish(session.model(), peak, result.at("precision") == "bf16" ? 2 : 4);
    if (line.has("json")) result["profile"] = profile.json();
  }
  std::cout << (line.has("json") ? result.dump() + "\n" : text_of(result) + profile.text());
  return kDone;
}

}  // namespace

int bench_command(const Arguments& arguments) {
  CommandLine line(
      "bench",
      "Trains some steps of an experiment, saves nothing, and tells how fast they were and what memory they\n"
      "took. Without a file: of a strategy's defaults, on a model of random weights.",
      {"plugtune bench experiment.toml",
       "plugtune bench experiment.toml --model-size base --vocab vocab.txt --order grouped --json"});
  line.optional_positional("experiment.toml")
      .value("strategy", "NAME", "instead of the file's; its settings with --set strategy.KEY=VALUE")
      .value("model-size", "base|small|DIR", "12 x 768, 4 x 256, or a directory; random weights where it has none")
      .value("vocab", "FILE", "vocab.txt for base and small")
      .value("data", "PLUGIN:PATH", "the data set")
      .value("batch-size", "N", "sequences per optimizer step")
      .choice("order", {"file", "uniform", "grouped"},
              "shuffled, or similar lengths together; file: what the experiment says")
      .value("steps", "N", "that are measured, 40 without it")
      .value("warm-up", "N", "steps before them that are not, 5 without it")
      .value("batches", "FILE", "write the batches of token ids, a JSON line each, for another program to train on")
      .flag("json", "one line of JSON")
      .overrides()
      .plugin_path();
  BenchProfile::declare(line);
  return line.parse(arguments) ? bench(line) : kDone;
}

}  // namespace plugtune::app
