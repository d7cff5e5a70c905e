// eval.cc - `plugtune eval`: metrics of finished runs on a split.
#include <fmt/format.h>

#include <iostream>

#include "app/command_line.h"
#include "app/data_split.h"
#include "app/several_runs.h"
#include "model/loss.h"
#include "report/text_table.h"
#include "train/result_json.h"

namespace plugtune::app {
namespace {

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

struct Row {
  std::string run;
  train::Metrics metrics;
};

std::string table(const std::vector<Row>& rows) {
  std::vector<report::TextTable::Column> columns = {{"run", false}};
  for (const auto& [name, value] : rows.front().metrics.values)
    columns.push_back({name, true});
  report::TextTable table(columns);
  for (const Row& row : rows) {
    std::vector<std::string> cells = {row.run};
    for (const auto& [name, value] : row.metrics.values)
      cells.push_back(report::metric_text(value));
    table.add(cells);
  }
  return table.terminal();
}

nlohmann::ordered_json json_of(const std::vector<Row>& rows) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Row& row : rows) {
    nlohmann::ordered_json one = {{"run", row.run}};
    one.update(train::metrics_json(row.metrics));
    all.push_back(std::move(one));
  }
  return all;
}

/// A row of each run and, where it is wanted, one of their mean. Warnings about the data go to `warnings`.
std::vector<Row> evaluate(SeveralRuns& runs, Split split, bool with_average, std::vector<std::string>& warnings) {
  const TaskKind kind = runs.task().kind;
  const Dataset& dataset = *runs.sessions.front().dataset->dataset;
  std::vector<Row> rows;
  std::vector<Tensor> logits;
  Tensor targets;
  for (size_t run = 0; run < runs.names.size(); ++run) {
    const data::EncodedSplit encoded = encode_with(runs, run, dataset, split);
    if (run == 0) warnings = encoded.warnings;
    const train::Predictions predictions = predict_with(runs, run, encoded);
    targets = predictions.targets;
    logits.push_back(predictions.logits);
    rows.push_back({runs.names[run], train::metrics_of(kind, predictions)});
  }
  if (with_average) {
    const Tensor mean = average_logits(kind, logits);
    const double loss = model::task_loss(kind, mean, targets, mean.size(0)).item<double>();
    rows.push_back({"average", train::compute_metrics(kind, mean, targets, loss)});
  }
  return rows;
}

}  // namespace

int eval_command(const Arguments& arguments) {
  CommandLine line(
      "eval",
      "Evaluates finished runs on a split of a data set. Several runs share one loaded base, and are all\n"
      "evaluated on the data set of the first, or on the one that --data names: of the same plugin it is read\n"
      "with the run's settings but those of its splits; --set data.KEY=VALUE says others. Without --split\n"
      "the test split is taken, or where there is none what there is.",
      {"plugtune eval runs/quickstart", "plugtune eval runs/quickstart --split train --json",
       "plugtune eval runs/quickstart --data table:reviews.csv --set data.text=review",
       "plugtune eval runs/a runs/b --average"});
  line.positional("run", /*many=*/true)
      .value("model", "BASE", "the base model, where it lies elsewhere than when the run was trained")
      .flag("average", "of several runs, the mean of their probabilities too")
      .choice("precision", {"fp32", "bf16"}, "bf16: faster on processors with AMX or AVX512-BF16, logits to two digits")
      .flag("json", "print the metrics as JSON; of several runs, an array")
      .plugin_path();
  add_data_options(line, "another data set than the run's");
  if (!line.parse(arguments)) return kDone;

  SeveralRuns runs = open_runs(line.texts("run"), line.search_path(), line.text("precision"),
                               {line.text("model"), {line.text("data"), line.texts("set")}});
  if (line.has("average") && runs.task().kind == TaskKind::kText)
    throw Error("eval: --average is of labels; masked-lm runs have metrics of their own only");
  Session& first = runs.sessions.front();
  open_data(first);
  const Split split = chosen_split(line, first);
  std::vector<std::string> warnings;
  const std::vector<Row> rows = evaluate(runs, split, line.has("average"), warnings);
  if (line.has("json")) {
    std::cout << (rows.size() == 1 ? train::metrics_json(rows.front().metrics) : json_of(rows)).dump() << "\n";
    return kDone;
  }
  for (const std::string& warning : warnings)
    std::cerr << warning << "\n";
  std::cout << (rows.size() == 1 ? table(rows.front().metrics, first.task.labels) : table(rows));
  return kDone;
}

}  // namespace plugtune::app
