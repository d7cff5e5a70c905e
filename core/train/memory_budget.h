#pragma once
// memory_budget.h - micro-batches that keep a training within so many bytes.

#include <cstdint>
#include <functional>

#include "data/batches.h"
#include "model/bert.h"
#include "train/flat_optimizer.h"

namespace plugtune::train {

/// The forward and the backward pass of a training, over one batch.
using Pass = std::function<void(const data::Batch&)>;

/// Bytes that a training takes beside weights, optimizer, texts and passes.
struct Beside {
  int64_t always = 0;    ///< the evaluation's texts
  int64_t at_saves = 0;  ///< made for a checkpoint, when no pass runs
};

/// What a budget leaves for passes.
struct MemoryRoom {
  int64_t bytes, per_token;
  int64_t needed;  ///< for the longest text, or a checkpoint
  int64_t tokens() const { return bytes / per_token; }
};

/// What the forward and backward passes of a training may take, so that all of it takes at most `budget` bytes.
///
/// What a token takes is counted, not guessed: two small forward and backward passes over the run's longest texts, as many bytes as
/// they allocate. The same experiment gives the same number on every machine, so a resumed training has the same micro-batches.
/// Gradients are zero afterwards, and the generator is where it was.
/// Throws Error, with the least that is enough, when the budget is too small.
MemoryRoom room_within(int64_t budget, const Beside& beside, const model::Bert& model, const data::EncodedSplit& split,
                       FlatOptimizer& optimizer, const Pass& pass);

/// Throws Error when a strategy gets other gradients where layers are computed again in backward (Bert::set_recompute): one that keeps
/// tensors from one layer for another, or for its loss. Afterwards everything is as room_within() leaves it.
void check_recompute(model::Bert& model, const data::EncodedSplit& split, FlatOptimizer& optimizer, const Pass& pass);

}  // namespace plugtune::train
