#pragma once
// evaluator.h - the model's answers for a whole split.

#include "data/encode.h"
#include "model/bert.h"
#include "train/evaluation_passes.h"
#include "train/features.h"
#include "train/metrics.h"

namespace plugtune::train {

struct Predictions {
  Tensor
      logits;  ///< (E, labels) fp32 on the CPU, in the split's order; undefined of masked LM, whose are too many to keep
  Tensor targets;   ///< as in a batch, of all E examples; undefined when the split has no labels
  double loss = 0;  ///< mean over the examples, of masked LM over the chosen tokens
  int64_t tokens = 0;
  int64_t guessed = 0, correct = 0;  ///< masked LM: chosen tokens, and those of them that were guessed
  /// Next-sentence prediction: all sequences, those of them that were told rightly, and the mean loss over them.
  int64_t sequences = 0, told = 0;
  double next_sentence_loss = 0;
};

Metrics metrics_of(TaskKind kind, const Predictions& predictions);

/// Evaluation mode, no graph, batches of similar lengths; the model's mode is restored.
/// @param batch_tokens  rows of one forward pass
/// @param features      of the split, when they are known; else undefined
Predictions predict(model::Bert& model, const data::EncodedSplit& split, int64_t batch_tokens,
                    const Features& features = {}, PatchUse patches = PatchUse::kMerged);

}  // namespace plugtune::train
