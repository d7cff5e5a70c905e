#pragma once
// features.h - what the frozen lower part of the encoder computes of each text, computed once and kept.

#include "data/batches.h"
#include "model/bert.h"
#include "train/methods.h"

namespace plugtune::train {

/// How many layers, counted from the embeddings, compute the same of a text in every step: nothing in them and in the embeddings
/// trains, and no patch acts in them but those of frozen strategies. All of them: the head alone trains. 0 of masked LM, whose
/// texts are masked anew each time.
int64_t frozen_layers(const model::Bert& model, const Methods& methods);

/// Of every example of a split what its frozen layers compute, in evaluation mode. The bits do not depend on the order in which
/// examples are asked for later.
class Features {
 public:
  Features() = default;  ///< of nothing: not defined()
  /// @param layers  of frozen_layers(), at least one. The split must outlive the features.
  Features(model::Bert& model, const data::EncodedSplit& split, int64_t layers, int64_t batch_tokens);

  bool defined() const noexcept { return rows_.defined(); }
  /// The model's logits of a batch of the split: what is above the frozen layers is computed.
  Tensor logits(model::Bert& model, const data::Batch& batch) const;
  /// Whether that is what the whole model computes, up to rounding: a patch above may read what a frozen one below leaves behind.
  bool agree(model::Bert& model) const;

  /// What they take. @param split  may be null
  static int64_t bytes(const model::Bert& model, const data::EncodedSplit* split, int64_t layers);

 private:
  Tensor rows_at(const std::vector<int64_t>& examples) const;

  const data::EncodedSplit* split_ = nullptr;
  int64_t layers_ = 0;
  bool are_heads_ = false;  // each example has one row, what the head reads of it; else one for each token
  Tensor rows_;             // (E or N, H), in the split's order and the model's type
};

}  // namespace plugtune::train
