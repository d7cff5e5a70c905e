// result_json.cc - evaluations to JSON and back.
#include "train/result_json.h"

#include <cmath>
#include <limits>

namespace plugtune::train {
namespace {

nlohmann::ordered_json number_json(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}
double number_from(const nlohmann::ordered_json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

}  // namespace

nlohmann::ordered_json metrics_json(const Metrics& metrics) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [name, value] : metrics.values)
    json[name] = number_json(value);
  if (!metrics.confusion.empty()) json["confusion"] = metrics.confusion;
  if (!metrics.label_counts.empty()) json["label_counts"] = metrics.label_counts;
  return json;
}

Metrics metrics_from_json(const nlohmann::ordered_json& json) {
  Metrics metrics;
  for (const auto& [name, value] : json.items()) {
    if (name == "confusion") {
      metrics.confusion = value.get<std::vector<std::vector<int64_t>>>();
    } else if (name == "label_counts") {
      metrics.label_counts = value.get<std::vector<std::array<int64_t, 3>>>();
    } else {
      metrics.values.emplace_back(name, number_from(value));
    }
  }
  return metrics;
}

nlohmann::ordered_json evaluation_json(const EvalReport& report) {
  return {{"epoch", report.epoch},
          {"step", report.step},
          {"seconds", report.seconds},
          {"eval_seconds", report.eval_seconds},
          {"train_loss", number_json(report.train_loss)},
          {"is_best", report.is_best},
          {"eval", metrics_json(report.eval)}};
}

EvalReport evaluation_from_json(const nlohmann::ordered_json& json) {
  EvalReport report;
  report.epoch = json.at("epoch").get<double>();
  report.step = json.at("step").get<int64_t>();
  report.seconds = json.at("seconds").get<double>();
  report.eval_seconds = json.at("eval_seconds").get<double>();
  report.train_loss = number_from(json.at("train_loss"));
  report.is_best = json.at("is_best").get<bool>();
  report.eval = metrics_from_json(json.at("eval"));
  return report;
}

}  // namespace plugtune::train
