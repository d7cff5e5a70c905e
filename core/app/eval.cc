// eval.cc - `plugtune eval`: a finished run's metrics on a split.
#include <fmt/format.h>

#include <iostream>

#include "app/command_line.h"
#include "app/session.h"
#include "train/evaluator.h"
#include "train/result_json.h"

namespace plugtune::app {
namespace {

Split split_of(const std::string& name) {
  return name == "train" ? Split::kTrain : name == "validation" ? Split::kValidation : Split::kTest;
}

std::string table(const train::Metrics& metrics, const std::vector<std::string>& labels) {
  std::string text;
  for (const auto& [name, value] : metrics.values)
    text += fmt::format("{:<10} {:.4f}\n", name, value);
  if (metrics.confusion.empty()) return text;
  text += "\ntrue label -> predicted as\n";
  for (size_t i = 0; i < metrics.confusion.size(); ++i) {
    text += fmt::format("  {}:", labels[i]);
    for (size_t j = 0; j < metrics.confusion[i].size(); ++j)
      text += fmt::format("  {} {}", labels[j], metrics.confusion[i][j]);
    text += "\n";
  }
  return text;
}

}  // namespace

int eval_command(const Arguments& arguments) {
  CommandLine line("eval",
                   "Evaluates a finished run on a split of its data set, or of another one with the same labels.",
                   {"plugtune eval runs/quickstart", "plugtune eval runs/quickstart --split train --json",
                    "plugtune eval runs/quickstart --data table:reviews.csv"});
  line.positional("run")
      .choice("split", {"test", "validation", "train"}, "which examples")
      .value("data", "PLUGIN:PATH", "another data set than the run's")
      .flag("json", "print the metrics as JSON")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;

  const std::string run = line.texts("run").front();
  Session session = open_run(run, line.search_path());
  open_data(session, line.text("data"));
  const Split split = split_of(line.text("split"));
  if (session.dataset->dataset->size(split) == 0) {
    throw Error(fmt::format("{}: has no {} split", session.dataset->plugin.subject(), line.text("split")));
  }
  session.experiment.data.eval_limit = 0;
  session.experiment.data.train_limit = 0;
  const data::EncodedSplit encoded = encode_split(session, split);
  const train::Metrics metrics = session.methods.guard(
      "forward()", [&] { return train::evaluate(session.model(), encoded, session.experiment.eval.batch_tokens); });
  if (line.has("json")) {
    std::cout << train::metrics_json(metrics).dump() << "\n";
  } else {
    for (const std::string& warning : encoded.warnings)
      std::cerr << warning << "\n";
    std::cout << table(metrics, session.task.labels);
  }
  return kDone;
}

}  // namespace plugtune::app
