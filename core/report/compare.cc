// compare.cc - several runs side by side, from their reports.
#include "report/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiment/run_directory.h"
#include "formats/wording.h"
#include "plugtune/error.h"
#include "report/compare_rows.h"

namespace plugtune::report {

namespace {

using formats::grouped;
using Json = nlohmann::ordered_json;

/// Metrics of all runs in the order in which they first appear; the loss, which says least across methods, last.
std::vector<std::string> metric_names_of(const std::vector<ComparedRun>& runs) {
  std::vector<std::string> names;
  bool has_loss = false;
  for (const ComparedRun& run : runs) {
    for (const auto& [name, value] : run.report.final_metrics().values) {
      if (name == "loss") has_loss = true;
      if (name != "loss" && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  if (has_loss) names.push_back("loss");
  return names;
}

/// A column for programs: its name and its value.
std::vector<std::pair<std::string, Json>> fields_of(const ComparedRun& run, const std::vector<std::string>& metrics) {
  const RunReport& report = run.report;
  const train::Metrics final_metrics = report.final_metrics();
  std::vector<std::pair<std::string, Json>> fields = {{"run", run.path},
                                                      {"strategy", strategies_text(report)},
                                                      {"seed", report.seed},
                                                      {"trainable_parameters", report.trainable_parameters},
                                                      {"trainable_fraction", report.trainable_fraction},
                                                      {"train_examples", report.data.train_examples},
                                                      {"steps", report.result.steps},
                                                      {"split", report.final_split()}};
  for (const std::string& name : metrics) {
    const double value = value_of(final_metrics, name);
    fields.emplace_back(name, std::isfinite(value) ? Json(value) : Json(nullptr));
  }
  fields.emplace_back("train_seconds", report.result.train_seconds);
  fields.emplace_back("total_seconds", report.total_seconds);
  fields.emplace_back("tokens_per_second", report.tokens_per_second());
  fields.emplace_back("peak_memory_bytes", report.peak_memory_bytes);
  return fields;
}

std::string plain(const Json& value) {
  return value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

double value_of(const train::Metrics& metrics, const std::string& name) {
  const auto found = std::find_if(metrics.values.begin(), metrics.values.end(),
                                  [&](const auto& value) { return value.first == name; });
  return found == metrics.values.end() ? NAN : found->second;
}

std::string strategies_text(const RunReport& report) {
  std::vector<std::string> names;
  for (const auto& strategy : report.strategies)
    names.push_back(strategy.name);
  return join(names, " + ");
}

TextTable compare_rows(const std::vector<ComparedRun>& runs) {
  const std::vector<std::string> metrics = metric_names_of(runs);
  std::vector<TextTable::Column> columns = {{"run"},         {"strategy"},       {"seed", true}, {"trainable", true},
                                            {"share", true}, {"examples", true}, {"split"}};
  for (const std::string& name : metrics)
    columns.push_back({name, true});
  columns.insert(columns.end(), {{"training", true}, {"tokens/s", true}, {"memory", true}});
  TextTable table(columns);
  for (const ComparedRun& run : runs) {
    const RunReport& report = run.report;
    const train::Metrics final_metrics = report.final_metrics();
    std::vector<std::string> row = {run.path,
                                    strategies_text(report),
                                    std::to_string(report.seed),
                                    grouped(report.trainable_parameters),
                                    share_text(report.trainable_fraction),
                                    grouped(report.data.train_examples),
                                    report.final_split()};
    for (const std::string& name : metrics)
      row.push_back(metric_text(value_of(final_metrics, name)));
    row.push_back(duration_text(report.result.train_seconds));
    row.push_back(grouped(std::llround(report.tokens_per_second())));
    row.push_back(formats::size_text(static_cast<uint64_t>(report.peak_memory_bytes)));
    table.add(std::move(row));
  }
  return table;
}

Comparison read_runs(const std::vector<std::string>& paths) {
  Comparison comparison;
  for (const std::string& path : paths) {
    try {
      comparison.runs.push_back({path, read_report(experiment::finished_run(path).report())});
    } catch (const Error& error) {
      comparison.problems.insert(comparison.problems.end(), error.problems().begin(), error.problems().end());
    }
  }
  return comparison;
}

std::string compare_table(const std::vector<ComparedRun>& runs) { return compare_rows(runs).terminal(); }
std::string compare_markdown(const std::vector<ComparedRun>& runs) { return compare_rows(runs).markdown(); }

std::string compare_csv(const std::vector<ComparedRun>& runs) {
  const std::vector<std::string> metrics = metric_names_of(runs);
  if (runs.empty()) return "";
  std::vector<TextTable::Column> columns;
  for (const auto& [name, value] : fields_of(runs.front(), metrics))
    columns.push_back({name});
  TextTable table(columns);
  for (const ComparedRun& run : runs) {
    std::vector<std::string> row;
    for (const auto& [name, value] : fields_of(run, metrics))
      row.push_back(plain(value));
    table.add(std::move(row));
  }
  return table.csv();
}

std::string compare_json(const std::vector<ComparedRun>& runs) {
  const std::vector<std::string> metrics = metric_names_of(runs);
  Json list = Json::array();
  for (const ComparedRun& run : runs) {
    Json object = Json::object();
    for (const auto& [name, value] : fields_of(run, metrics))
      object[name] = value;
    list.push_back(std::move(object));
  }
  return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace plugtune::report
