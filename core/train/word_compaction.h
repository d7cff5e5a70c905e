#pragma once
// word_compaction.h - training the rows of the word embedding that a run reads, and no others.

#include <vector>

#include "data/encode.h"
#include "formats/named_tensors.h"
#include "model/bert.h"

namespace plugtune::train {

/// While it is active the model's word embedding has the rows of the words that occur in the run's texts only (U of V), and so have
/// its gradient and its moments. Exact: the gradient of a row that is never read is zero, and so are its moments; AdamW changes it
/// by weight decay alone, which is a factor.
///
/// Active where the table trains, no patch is on it (that would see ids), no masked-LM head reads it whole and no strategy looks at
/// weights or gradients between passes, where it is promised V rows.
class WordCompaction {
 public:
  /// Compacts. `model` must outlive this. @param evaluation  may be null  @param is_looked_at  by a strategy
  WordCompaction(model::Bert& model, const data::EncodedSplit& train, const data::EncodedSplit* evaluation,
                 bool is_looked_at);
  ~WordCompaction();
  WordCompaction(const WordCompaction&) = delete;
  WordCompaction& operator=(const WordCompaction&) = delete;

  static constexpr const char* kName = "embeddings.word_embeddings.weight";

  bool active() const noexcept { return used_.defined(); }
  /// Of the whole table that a delta has, float32; 0 when it is not active.
  int64_t table_bytes() const { return active() ? whole_.numel() * static_cast<int64_t>(sizeof(float)) : 0; }
  /// Of a delta of the whole model, its word embedding with the rows in use only. Nothing to do when it is not active.
  void gather(formats::NamedTensors& delta) const;
  /// The whole table (V,H) float32: `rows` (U,H) where words are in use, what was there before times `decay` elsewhere.
  Tensor scatter(const Tensor& rows, double decay) const;
  /// Gives the model a whole table. It stays active: what the optimizer has is still compact.
  void restore(const Tensor& table);
  bool is_restored() const noexcept { return restored_; }

 private:
  model::Bert& model_;
  Tensor used_;   // (U) int64, ascending; undefined: not active
  Tensor whole_;  // (V,H) before training
  bool restored_ = true;
};

}  // namespace plugtune::train
