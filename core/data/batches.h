#pragma once
// batches.h - which examples make up each optimizer step, as packed rows.

#include <cstdint>
#include <vector>

#include "data/encode.h"
#include "model/bert.h"

namespace plugtune::data {

/// One forward pass: a micro-batch of an optimizer step.
struct Batch {
  model::Input input;
  Tensor targets;  ///< classification (B) int64; multi-label (B, labels) float; regression (B) float; undefined: none;
                   ///< masked LM (M) int64, the ids at input.read_rows
  Tensor
      next_targets{};  ///< of next-sentence prediction (B) int64, 1 where the second text is not next; else undefined
  int64_t step_sequences = 0;  ///< of the whole step, whatever the examples are
  int64_t step_examples =
      0;  ///< sequences of the whole step, of masked LM chosen tokens: the loss is the mean over them
  bool ends_step = true;
  std::vector<int64_t> indices;
};

struct BatchSettings {
  int64_t batch_size = 32;         ///< sequences per optimizer step
  int64_t micro_batch_tokens = 0;  ///< rows of one forward pass; 0: 1024. A longer sequence is a micro-batch alone
  bool group_by_length = false;    ///< steps of similar lengths, see epoch_order()
  uint64_t seed = 42;
};

/// The order of one epoch: a pure function of its arguments, the same on every machine and for any number of processes,
/// which divide each step among themselves.
std::vector<int64_t> epoch_order(const EncodedSplit& split, const BatchSettings& settings, int64_t epoch);

/// The order of a whole training, a pure function of its settings: any step can be asked for at any time, so a resumed
/// training goes on anywhere. Remembers the order of one epoch: not for several threads at once.
class BatchPlan {
 public:
  /// `split` must outlive the plan.
  BatchPlan(const EncodedSplit& split, const BatchSettings& settings);
  int64_t steps_per_epoch() const noexcept;  ///< the last step of an epoch may have fewer than batch_size sequences
  void set_micro_batch_tokens(int64_t tokens) noexcept { settings_.micro_batch_tokens = tokens; }
  /// The micro-batches of optimizer step `step`, counted from 0 over all epochs.
  std::vector<Batch> step(int64_t step) const;

 private:
  const EncodedSplit& begin(int64_t epoch) const;

  const EncodedSplit& split_;
  BatchSettings settings_;
  mutable int64_t ordered_epoch_ = -1;  // order_ is this epoch's
  mutable std::vector<int64_t> order_;
  mutable EncodedSplit drawn_;  // the same epoch's pairs, of next-sentence prediction
};

/// A batch of these examples, in this order. @param epoch  whose masks they have, for masked LM
Batch make_batch(const EncodedSplit& split, const std::vector<int64_t>& indices, int64_t epoch = Masking::kEvaluation);

/// Every example once, the longest first, those of similar lengths together, at most `batch_tokens` rows each (one example at least).
std::vector<std::vector<int64_t>> evaluation_batches(const EncodedSplit& split, int64_t batch_tokens);

}  // namespace plugtune::data
