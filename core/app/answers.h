#pragma once
// answers.h - what a run answers for a text, for people and for programs.

#include <nlohmann/json.hpp>
#include <string>

#include "plugtune/dataset.h"
#include "plugtune/layout.h"

namespace plugtune::app {

/// The label, the labels of a multi-label task with commas between, or the number of a regression.
/// @param logits  (labels), float
std::string answer_text(const Tensor& logits, const Task& task);

/// {"label", "probabilities", "logits"}; of a regression {"value", "logits"}.
nlohmann::ordered_json answer_json(const Tensor& logits, const Task& task);

}  // namespace plugtune::app
