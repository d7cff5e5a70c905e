#pragma once
// mistakes.h - the examples that a run is most sure of and wrong about.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugtune/dataset.h"
#include "train/evaluator.h"

namespace plugtune::report {

/// How much of each text a report holds: code points.
inline constexpr size_t kMistakeTextKept = 400;

/// One example of a split and what was said of it.
struct Mistake {
  int64_t example = 0;           ///< its place in the split, from 0
  std::string text_a, text_b;    ///< cut at kMistakeTextKept, with "…" behind; text_b "" without pairs
  std::string label, predicted;  ///< names; of a multi-label task with commas between; numbers of a regression
  double confidence = 0;         ///< see worst_mistakes()
  bool operator==(const Mistake&) const = default;
};

/// The most confident mistakes, the most confident first; equal ones in the order of the split.
///
/// Confidence is the probability of what was predicted; of a multi-label task that of the decision that is wrong and surest;
/// of a regression the size of the error (no answer is "wrong" there). Empty of masked LM and of a split without labels.
/// @param dataset  where the texts are: example i of the predictions is at(split, i)
/// @param most  how many
std::vector<Mistake> worst_mistakes(const Task& task, const train::Predictions& predictions, const Dataset& dataset,
                                    Split split, size_t most);

nlohmann::ordered_json mistakes_json(const std::vector<Mistake>& mistakes);
/// @param file  what messages begin with. Throws Error naming the field that is damaged.
std::vector<Mistake> mistakes_from_json(const nlohmann::ordered_json& json, const std::string& file);

}  // namespace plugtune::report
