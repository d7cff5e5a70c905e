// results_json.cc - a study's results for programs.
#include "experiment/config_json.h"
#include "report/text_table.h"
#include "study/results.h"

namespace plugtune::study {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kSchema = 1;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json interval_json(const Interval& interval) {
  if (!interval.is_known()) return nullptr;
  return {interval.low, interval.high};
}

Json mean_json(const Mean& mean) { return {{"mean", number(mean.value)}, {"interval", interval_json(mean.interval)}}; }

/// No interval: what times are of, no test of seeds knows.
Json times_json(const Times& times) {
  return {{"mean", number(times.mean)},
          {"interval", Json(nullptr)},
          {"median", number(times.median)},
          {"spread", number(times.spread)}};
}

Json row_json(const Study& study, const ResultRow& row) {
  Json json = {{"method", study.methods[row.method].name},
               {"runs", row.runs.size()},
               {"of", row.of},
               {"rate", number(row.rate)},
               {"trainable_parameters", row.trainable_parameters},
               {"trainable_fraction", row.trainable_fraction},
               {"epoch_seconds", times_json(row.epoch_seconds)},
               {"relative_time", number(row.relative_time)},
               {"total_seconds", times_json(row.total_seconds)}};
  json["metrics"] = Json::object();
  for (const auto& [name, mean] : row.metrics)
    json["metrics"][name] = mean_json(mean);
  json["seeds"] = Json::array();
  for (const SeededRun& run : row.runs) {
    Json values = Json::object();
    for (const auto& [name, value] : run.report->final_metrics().values)
      values[name] = number(value);
    json["seeds"].push_back({{"seed", run.seed},
                             {"metrics", values},
                             {"train_seconds", run.report->result.train_seconds},
                             {"steps", run.report->result.steps},
                             {"peak_memory_bytes", run.report->peak_memory_bytes},
                             {"delta_bytes", run.report->delta_bytes}});
  }
  return json;
}

Json comparison_json(const Comparison& pair) {
  Json mcnemar = Json::array();
  for (const McNemar& test : pair.mcnemar)
    mcnemar.push_back(
        {{"seed", test.seed}, {"first_alone", test.first_alone}, {"second_alone", test.second_alone}, {"p", test.p}});
  return {{"first", pair.first},
          {"second", pair.second},
          {"seeds", pair.seeds},
          {"first_value", number(pair.first_value)},
          {"second_value", number(pair.second_value)},
          {"difference", number(pair.difference)},
          {"over_examples", interval_json(pair.over_examples.interval)},
          {"over_seeds", interval_json(pair.over_seeds.interval)},
          {"student_p", number(pair.student_p)},
          {"mcnemar", mcnemar},
          {"distinguishable", pair.is_distinguishable},
          {"p", number(pair.p)},
          {"holm_p", number(pair.holm_p)},
          {"sentence", pair.sentence}};
}

Json choices_json(const Study& study, const Results& results) {
  Json choices = Json::array();
  for (size_t i = 0; i < results.choices.size(); ++i) {
    const Choice& choice = results.choices[i];
    if (choice.tried.empty()) continue;
    const std::string edge = edge_of(choice);
    Json tried = Json::array();
    for (const TriedRate& rate : choice.tried)
      tried.push_back({{"rate", rate.rate},
                       {"value", number(rate.value)},
                       {"part_of_length", 1.0 / static_cast<double>(rate.shorter)}});
    choices.push_back({{"method", study.methods[i].name},
                       {"rate", choice.rate ? number(real(*choice.rate)) : Json(nullptr)},
                       {"edge", edge.empty() ? Json(nullptr) : Json(edge)},
                       {"tried", tried}});
  }
  return choices;
}

}  // namespace

Json results_json(const Study& study, const Results& results) {
  Json json = {{"schema", kSchema},
               {"name", study.name},
               {"finished", results.finished},
               {"total", results.total},
               {"metric", results.metric},
               {"split", results.split},
               {"confidence", kConfidence},
               {"search_metric", results.search_metric},
               {"reference", study.methods[study.reference].name},
               {"study", experiment::to_json(study.tables)}};
  json["rates"] = choices_json(study, results);
  json["sizes"] = Json::array();
  for (const SizeResults& size : results.sizes) {
    Json rows = Json::array(), comparisons = Json::array(), pairs = Json::array();
    for (const ResultRow& row : size.rows)
      if (row.of > 0) rows.push_back(row_json(study, row));
    for (const Comparison& pair : size.comparisons)
      comparisons.push_back(comparison_json(pair));
    for (const Comparison& pair : size.pairs)
      pairs.push_back(comparison_json(pair));
    json["sizes"].push_back(
        {{"size", size.size}, {"best", size.best}, {"methods", rows}, {"comparisons", comparisons}, {"pairs", pairs}});
  }
  return json;
}

}  // namespace plugtune::study
