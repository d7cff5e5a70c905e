#pragma once
// evaluation_passes.h - forward passes without a graph over a split.

#include <functional>

#include "data/batches.h"
#include "model/bert.h"

namespace plugtune::train {

/// Patches that fold are merged for batches of many rows (merged.h), or all are called, for who listens to what they compute.
enum class PatchUse : int32_t { kMerged = 1, kCalled };

/// While it lives the model is in evaluation mode, and no graph is made; then its mode is what it was.
class EvaluationMode {
 public:
  explicit EvaluationMode(model::Bert& model) : model_(model), was_training_(model.is_training()) { model.eval(); }
  ~EvaluationMode() { model_.train(was_training_); }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  torch::NoGradGuard no_grad_;
  model::Bert& model_;
  bool was_training_;
};

/// compute(batch) for every batch of the split, similar lengths together: evaluation mode, no graph. The model's mode is restored.
/// @param batch_tokens  rows of one forward pass
void for_each_batch(model::Bert& model, const data::EncodedSplit& split, int64_t batch_tokens, PatchUse patches,
                    const std::function<void(const data::Batch&)>& compute);

}  // namespace plugtune::train
