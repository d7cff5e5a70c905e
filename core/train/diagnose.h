#pragma once
// diagnose.h - where numbers stopped being finite.

#include <string>

#include "data/batches.h"
#include "model/bert.h"
#include "train/flat_optimizer.h"

namespace plugtune::train {

/// The first trained parameter with a value that is not finite; "" when all are.
std::string first_not_finite_parameter(const FlatOptimizer& optimizer);

/// One sentence that names the first place of the forward pass (or the last trainable whose gradient) that is not finite for
/// these batches: "encoder.layer.1 gives values that are not finite". Runs the forward pass again.
std::string first_not_finite(model::Bert& model, const std::vector<data::Batch>& step, const FlatOptimizer& optimizer);

}  // namespace plugtune::train
