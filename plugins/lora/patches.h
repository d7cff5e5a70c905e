#pragma once
// patches.h - what LoRA and DoRA compute around a linear layer and around the word embedding.

#include <memory>

#include "plugtune/blocks/sequence_gate.h"
#include "plugtune/plugtune.h"

namespace plugtune::lora {

/// y = W x + b + s B A drop(x).
class LoraPatch final : public LinearPatch, public Foldable {
 public:
  LoraPatch(const LinearSite& site, const LowRankOptions& options);
  Tensor forward(const Tensor& x, const LinearNext& next) override;
  void fold(Tensor& weight, Tensor&) const override { update_->merge(weight); }

 private:
  /// One product with W + s B A is less work than the update's own of x: wide updates of narrow layers, without dropout.
  bool merges(const Tensor& x) const;

  const LinearSite& site_;  // that owns this patch
  int64_t rank_;
  double dropout_;
  std::shared_ptr<LowRankLinear> update_;
};

/// y = W x + b + s g B A drop(x), g the gate of the row's sequence.   Mao et al. 2022, arXiv:2110.07577
class GatedLoraPatch final : public LinearPatch {
 public:
  /// @param layer  that the site is in
  GatedLoraPatch(const LinearSite& site, const LowRankOptions& options, std::shared_ptr<const LayerView> layer);
  Tensor forward(const Tensor& x, const LinearNext& next) override;

 private:
  std::shared_ptr<LowRankLinear> update_;
  std::shared_ptr<SequenceGate> gate_;
  std::shared_ptr<const LayerView> layer_;
};

/// E[ids] + s (A^T)[ids] B^T.
class LoraEmbeddingPatch final : public TokenPatch, public FoldableEmbedding {
 public:
  LoraEmbeddingPatch(const EmbeddingSite& site, const LowRankOptions& options);
  Tensor forward(const TokenIn& in, const TokenNext& next) override { return update_->add_to(next(in), in.ids); }
  void fold(Tensor& weight) const override { update_->merge(weight); }
  bool row_wise() const override { return true; }

 private:
  std::shared_ptr<LowRankEmbedding> update_;
};

/// y = b + c (W x + s B A x), c = m / ||W + s B A||, the norm of each row.   Liu et al. 2024, arXiv:2402.09353
class DoraPatch final : public LinearPatch, public Foldable {
 public:
  /// m starts as the norm itself: the identity.
  DoraPatch(const LinearSite& site, const LowRankOptions& options);
  Tensor forward(const Tensor& x, const LinearNext& next) override;
  void fold(Tensor& weight, Tensor& bias) const override;

 private:
  Tensor row_norm() const;  // (out)
  const LinearSite& site_;  // that owns this patch
  double dropout_;
  std::shared_ptr<LowRankLinear> update_;
  Tensor magnitude_;  // m (out)
};

/// c (E[ids] + s (A^T)[ids] B^T) with c = m / ||E + s (B A)^T||, the norm of each column.
class DoraEmbeddingPatch final : public TokenPatch, public FoldableEmbedding {
 public:
  DoraEmbeddingPatch(const EmbeddingSite& site, const LowRankOptions& options);
  Tensor forward(const TokenIn& in, const TokenNext& next) override;
  void fold(Tensor& weight) const override;
  bool row_wise() const override { return true; }

 private:
  Tensor column_norm() const;  // (H)
  const EmbeddingSite& site_;  // that owns this patch
  std::shared_ptr<LowRankEmbedding> update_;
  Tensor magnitude_;  // m (H)
};

}  // namespace plugtune::lora
