#pragma once
// sequence_gate.h - a learned factor for each sequence, and what patches inside a layer compute it from.
//
// UniPELT: Mao et al. 2022, arXiv:2110.07577; numbers as in AdapterHub's library 1.3.0 for a sequence without padding.

#include <torch/nn/module.h>

#include "plugtune/export.h"
#include "plugtune/sites.h"

namespace plugtune {
inline namespace v1 {

/// Each sequence's mean over its rows of sigmoid(W x + b).  x (N, in), W (1, in), b (1) -> (B, 1)
PLUGTUNE_API Tensor sequence_gate(const Tensor& x, const Tensor& weight, const Tensor& bias, const Layout& layout);

/// The same with parameters of its own: W ~ N(0, 0.02), b as in torch.nn.Linear. About 1/2 at the start.
class PLUGTUNE_API SequenceGate : public torch::nn::Module {
 public:
  /// Makes and initialises the gate, drawing from torch's generator.
  explicit SequenceGate(int64_t in_features);
  ~SequenceGate() override;
  /// x (N, in) in `layout` -> (B, 1)
  Tensor forward(const Tensor& x, const Layout& layout) const;
  Tensor weight;  ///< (1, in)
  Tensor bias;    ///< (1)
};

/// What a layer is handed, kept while it runs for the same strategy's patches inside of it: a linear patch sees rows and no
/// layout, an attention patch q, k and v and not what they are made of. Has no parameters. The last layer computes all rows then.
class PLUGTUNE_API LayerView final : public LayerPatch {
 public:
  LayerView();
  ~LayerView() override;
  /// Keeps what the layer is handed while `next` runs, and changes nothing.  (N, H)
  Tensor forward(const LayerIn& in, const LayerNext& next) override;
  /// nullptr: the layer does not run, so a site inside of it was called by itself.
  const LayerIn* in() const noexcept { return in_; }

 private:
  const LayerIn* in_ = nullptr;
};

}  // namespace v1
}  // namespace plugtune
