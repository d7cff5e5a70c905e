// patches.cc - LoRA and DoRA around a span; numbers as in peft 0.21, gated as in AdapterHub's library 1.3.
#include "patches.h"

namespace plugtune::lora {

LoraPatch::LoraPatch(const LinearSite& site, const LowRankOptions& options)
    : site_(site),
      rank_(options.rank),
      dropout_(options.dropout),
      update_(std::make_shared<LowRankLinear>(site.in_features(), site.out_features(), options)) {
  register_module("update", update_);
}

bool LoraPatch::merges(const Tensor& x) const {
  constexpr double kThinness = 1.25;  // products of few columns take that much longer for the same arithmetic
  if (!may_multiply_once(site_, *this, x) || (is_training() && dropout_ > 0)) return false;
  // Multiplications: forward, and backward to the input and to A and B.
  const int64_t rows = x.numel() / site_.in_features(), in = site_.in_features(), out = site_.out_features();
  // Not whether there is a graph now: a layer that is computed again in backward must decide the same.
  const bool backward = is_training();
  const int64_t apart = (backward ? 3 : 1) * rows * rank_ * (in + out);
  const int64_t together = (backward ? 3 * rank_ + rows : rank_) * in * out;
  return static_cast<double>(together) < kThinness * static_cast<double>(apart);
}

Tensor LoraPatch::forward(const Tensor& x, const LinearNext& next) {
  if (!merges(x)) return update_->add_to(next(x), x);
  const Tensor weight = torch::addmm(site_.weight, update_->b, update_->a, /*beta=*/1, /*alpha=*/update_->scale());
  return multiply_once(site_, x, weight);
}

GatedLoraPatch::GatedLoraPatch(const LinearSite& site, const LowRankOptions& options,
                               std::shared_ptr<const LayerView> layer)
    : update_(std::make_shared<LowRankLinear>(site.in_features(), site.out_features(), options)),
      gate_(std::make_shared<SequenceGate>(site.in_features())),
      layer_(std::move(layer)) {
  register_module("update", update_);
  register_module("gate", gate_);
}

Tensor GatedLoraPatch::forward(const Tensor& x, const LinearNext& next) {
  const LayerIn* layer = layer_->in();
  // Called by itself, outside of its layer, the site has no sequences to gate by.
  if (layer == nullptr) return update_->add_to(next(x), x);
  const Tensor gate = gate_->forward(x, layer->layout).index_select(0, layer->layout.row_sequence());  // (N, 1)
  return update_->add_to(next(x), x * gate);  // one factor a row: B A drop(g x) is g B A drop(x)
}

LoraEmbeddingPatch::LoraEmbeddingPatch(const EmbeddingSite& site, const LowRankOptions& options)
    : update_(std::make_shared<LowRankEmbedding>(site.weight.size(0), site.weight.size(1), options)) {
  register_module("update", update_);
}

DoraPatch::DoraPatch(const LinearSite& site, const LowRankOptions& options)
    : site_(site),
      dropout_(options.dropout),
      update_(std::make_shared<LowRankLinear>(site.in_features(), site.out_features(), options)) {
  register_module("update", update_);
  magnitude_ = register_parameter("magnitude", row_norm().clone());
}

Tensor DoraPatch::row_norm() const {
  // Without a gradient: section 4.3 of the paper takes the norm as a constant: less memory, no less accuracy.
  torch::NoGradGuard no_grad;
  const Tensor& like = update_->a;
  const Tensor merged = torch::addmm(site_.weight.to(like.dtype()), update_->b, like, /*beta=*/1, update_->scale());
  return torch::linalg_vector_norm(merged, /*ord=*/2, /*dim=*/{1});  // (out)
}

Tensor DoraPatch::forward(const Tensor& x, const LinearNext& next) {
  const Tensor c = magnitude_ / row_norm();  // (out)
  const Tensor y = next(x);                  // (N, out)
  // Under dropout peft drops the input of both products, but keeps W x + b of the whole input beside them.
  const bool drops = is_training() && dropout_ > 0;
  const Tensor seen = drops ? torch::dropout(x, dropout_, /*train=*/true) : x;
  const Tensor base = drops ? torch::linear(seen, site_.weight) : y - site_.bias;    // W x
  const Tensor update = torch::linear(torch::linear(seen, update_->a), update_->b);  // B A x
  return y + (c - 1) * base + c * update * update_->scale();
}

void DoraPatch::fold(Tensor& weight, Tensor& bias) const {
  const Tensor c = (magnitude_ / row_norm()).to(weight.dtype());  // of the bare weight, as in forward
  update_->merge(weight);
  weight.mul_(c.unsqueeze(1));
  bias.add_((c - 1) * (bias - site_.bias));  // nothing, unless a patch inside changed the bias that forward takes off
}

DoraEmbeddingPatch::DoraEmbeddingPatch(const EmbeddingSite& site, const LowRankOptions& options)
    : site_(site),
      update_(std::make_shared<LowRankEmbedding>(site.weight.size(0), site.weight.size(1), options)) {
  register_module("update", update_);
  magnitude_ = register_parameter("magnitude", column_norm().clone());
}

Tensor DoraEmbeddingPatch::column_norm() const {
  torch::NoGradGuard no_grad;  // a constant, as in DoraPatch
  const Tensor like = update_->a.t();
  const Tensor merged =
      torch::addmm(site_.weight.to(like.dtype()), like, update_->b.t(), /*beta=*/1, update_->scale());  // (V, H)
  return torch::linalg_vector_norm(merged, /*ord=*/2, /*dim=*/{0});
}

Tensor DoraEmbeddingPatch::forward(const TokenIn& in, const TokenNext& next) {
  return magnitude_ / column_norm() * update_->add_to(next(in), in.ids);  // (N, H)
}

void DoraEmbeddingPatch::fold(Tensor& weight) const {
  const Tensor c = magnitude_ / column_norm();
  update_->merge(weight);
  weight.mul_(c.to(weight.dtype()));
}

}  // namespace plugtune::lora
