#pragma once
// result_json.h - evaluations as JSON: the same words in checkpoints, log.jsonl and report.json.

#include <nlohmann/json.hpp>

#include "train/listener.h"

namespace plugtune::train {

/// {"loss": .., "accuracy": .., ..., "confusion": [[..]]}; numbers that are not finite become null.
nlohmann::ordered_json metrics_json(const Metrics& metrics);
Metrics metrics_from_json(const nlohmann::ordered_json& json);

/// {"epoch", "step", "seconds", "eval_seconds", "train_loss", "is_best", "eval": {...}}
nlohmann::ordered_json evaluation_json(const EvalReport& report);
EvalReport evaluation_from_json(const nlohmann::ordered_json& json);

}  // namespace plugtune::train
