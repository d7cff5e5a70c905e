#pragma once
// loss.h - the loss of each kind of task, as transformers computes it.

#include "plugtune/dataset.h"
#include "plugtune/layout.h"

namespace plugtune::model {

/// Sum over the batch's examples divided by `examples`, so that micro-batches of one optimizer step add up to its mean.
///
/// Classification: cross-entropy, targets (B) int64. Multi-label: binary cross-entropy with logits, mean over labels, targets
/// (B, labels) float. Regression: squared error, targets (B) float. logits (B, labels); computed in fp32. Masked LM: cross-entropy
/// of logits (M, V) and targets (M) int64, an example is a chosen token; without any it is 0.  -> 0-dimensional
Tensor task_loss(TaskKind kind, const Tensor& logits, const Tensor& targets, int64_t examples);

}  // namespace plugtune::model
