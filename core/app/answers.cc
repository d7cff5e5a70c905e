// answers.cc - labels and numbers out of logits.
#include "app/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "plugtune/error.h"

namespace plugtune::app {
namespace {

// Answers are many and small: they are read as plain numbers, without a tensor operation for each.
std::span<const float> numbers_of(const Tensor& logits) {
  return {logits.const_data_ptr<float>(), static_cast<size_t>(logits.numel())};
}

std::vector<double> probabilities_of(const Tensor& logits, TaskKind kind) {
  const std::span<const float> values = numbers_of(logits);
  std::vector<double> result(values.begin(), values.end());
  if (kind == TaskKind::kMultiLabel) {
    for (double& value : result)
      value = 1 / (1 + std::exp(-value));
    return result;
  }
  const double largest = std::ranges::max(result);
  double sum = 0;
  for (double& value : result)
    sum += value = std::exp(value - largest);
  for (double& value : result)
    value /= sum;
  return result;
}

}  // namespace

std::string answer_text(const Tensor& logits, const Task& task) {
  if (task.kind == TaskKind::kRegression) return fmt::format("{:.6g}", static_cast<double>(numbers_of(logits)[0]));
  const std::span<const float> values = numbers_of(logits);
  if (task.kind == TaskKind::kClassification)
    return task.labels[static_cast<size_t>(std::ranges::max_element(values) - values.begin())];
  std::vector<std::string> chosen;
  for (size_t i = 0; i < task.labels.size(); ++i) {
    if (values[i] > 0) chosen.push_back(task.labels[i]);
  }
  return join(chosen, ",");
}

nlohmann::ordered_json answer_json(const Tensor& logits, const Task& task) {
  nlohmann::ordered_json json;
  if (task.kind == TaskKind::kRegression) {
    json["value"] = static_cast<double>(numbers_of(logits)[0]);
  } else {
    json["label"] = answer_text(logits, task);
    json["probabilities"] = probabilities_of(logits, task.kind);
  }
  const std::span<const float> values = numbers_of(logits);
  json["logits"] = std::vector<float>(values.begin(), values.end());
  return json;
}

}  // namespace plugtune::app
