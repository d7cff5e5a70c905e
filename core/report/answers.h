#pragma once
// answers.h - what a run said of every example of a split, small enough to be kept with its report.

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "experiment/json_fields.h"
#include "train/evaluator.h"

namespace plugtune::report {

/// Truth and answer of each example, in the split's order.
///
/// Classification: labels. Multi-label: whether the whole row is right, as label 1 where the truth is always 1. Regression: values.
/// In JSON labels are packed into as few bits as they need, the first example in the lowest bits, values are fp32, little-endian,
/// and both are Base64: 50,000 examples of two labels take 17 kB.
struct Answers {
  int64_t labels = 0;  ///< 0: values
  std::vector<int32_t> truth, predicted;
  std::vector<float> true_values, predicted_values;

  size_t size() const noexcept { return labels > 0 ? truth.size() : true_values.size(); }
  bool operator==(const Answers&) const = default;
};

/// Absent of masked LM, and of a split without labels.
std::optional<Answers> answers_of(TaskKind kind, const train::Predictions& predictions);

nlohmann::ordered_json answers_json(const Answers& answers);
/// Throws Error when the field is damaged.
Answers answers_from_json(const experiment::JsonObject& object);

}  // namespace plugtune::report
