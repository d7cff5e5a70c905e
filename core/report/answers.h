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
/// Classification: labels. Multi-label: 0 or 1 for each label, example after example. Regression: values.
/// In JSON labels are packed into as few bits as they need, the first example in the lowest bits, values are fp32, little-endian,
/// and both are Base64: 50,000 examples of two labels take 17 kB.
struct Answers {
  int64_t labels = 0;  ///< 0: values
  std::vector<int32_t> truth, predicted;
  std::vector<float> true_values, predicted_values;
  bool multi_label = false;

  size_t size() const noexcept { return labels > 0 ? truth.size() / width() : true_values.size(); }
  /// How many numbers of `truth` an example has.
  size_t width() const noexcept { return multi_label ? static_cast<size_t>(labels) : 1; }
  /// Of labels: whether all of an example's are right.
  bool is_right(size_t example) const noexcept;
  bool operator==(const Answers&) const = default;
};

/// Absent of masked LM, and of a split without labels.
std::optional<Answers> answers_of(TaskKind kind, const train::Predictions& predictions);

nlohmann::ordered_json answers_json(const Answers& answers);
/// Throws Error when the field is damaged.
Answers answers_from_json(const experiment::JsonObject& object);

}  // namespace plugtune::report
