#pragma once
// support.h - small studies, and reports of runs that were never trained.

#include <map>
#include <string>

#include "experiment/config_json.h"
#include "experiment/experiment.h"
#include "experiment/toml.h"
#include "study/plan.h"
#include "unit/report/support.h"

namespace plugtune::study {

/// The tables that every study of these tests has in common.
inline const char* const kCommonTables = R"(
[model]
path = "m"
[data]
plugin = "reviews"
validation = 0.1
[train]
epochs = 2
)";

inline Study study_from(const std::string& text) {
  return study_of(experiment::parse_toml(text, "study.toml"), "study.toml");
}

/// All problems, a line each.
inline std::string problems_of(const std::string& text) {
  std::string all;
  for (const std::string& problem : study_from(text).problems)
    all += problem + "\n";
  return all;
}

inline std::vector<std::string> ids_of(const Plan& plan) {
  std::vector<std::string> ids;
  for (const PlannedRun& run : plan.runs)
    ids.push_back(run.id);
  return ids;
}

/// A plan when these runs of the search have come to these values.
inline Plan plan_with(const Study& study, const std::map<std::string, double>& values) {
  return make_plan(study, "accuracy", [&](const std::string& id) -> std::optional<double> {
    const auto at = values.find(id);
    return at == values.end() ? std::nullopt : std::optional(at->second);
  });
}

/// The report of a run of these tables. @param predicted  labels of six examples whose truth is 0 0 0 1 1 1
inline report::RunReport report_of(const ConfigNode& tables, double accuracy, std::vector<int32_t> predicted) {
  report::RunReport report = report::sample_report();
  experiment::Experiment experiment = experiment::experiment_of(tables, "study.toml");
  std::vector<ConfigNode> strategies;
  for (const auto& strategy : experiment.strategies)
    strategies.push_back(strategy.settings);
  report.experiment =
      experiment::from_json(experiment::to_json(experiment::resolved(experiment, *tables.find("data"), strategies)));
  report.name = experiment.run.name;
  report.seed = experiment.run.seed;
  report.test->metrics.values = {{"loss", 1 - accuracy}, {"accuracy", accuracy}};
  report.test->answers = report::Answers{2, {0, 0, 0, 1, 1, 1}, std::move(predicted), {}, {}};
  return report;
}

}  // namespace plugtune::study
