// sequence_gate.cc - the mean of a sigmoid over each sequence, and a view of the layer that runs.
#include "plugtune/blocks/sequence_gate.h"

#include <cmath>

namespace plugtune {
inline namespace v1 {
namespace {

/// `in` is a layer's while this lives, also when something inside throws.
class Running {
 public:
  Running(const LayerIn*& place, const LayerIn& in) : place_(place), before_(place) { place = &in; }
  ~Running() { place_ = before_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  const LayerIn*& place_;
  const LayerIn* before_;
};

}  // namespace

Tensor sequence_gate(const Tensor& x, const Tensor& weight, const Tensor& bias, const Layout& layout) {
  const Tensor column = torch::sigmoid(torch::linear(x, weight, bias));  // (N, 1)
  const Tensor sums =
      torch::zeros({layout.sequences(), 1}, column.options()).index_add(0, layout.row_sequence(), column);
  return sums / layout.offsets().diff().to(column.options()).unsqueeze(1);  // (B, 1)
}

SequenceGate::SequenceGate(int64_t in_features) {
  const double bound = 1 / std::sqrt(static_cast<double>(in_features));
  weight = register_parameter("weight", torch::empty({1, in_features}).normal_(0.0, 0.02));
  bias = register_parameter("bias", torch::empty({1}).uniform_(-bound, bound));
}
SequenceGate::~SequenceGate() = default;

Tensor SequenceGate::forward(const Tensor& x, const Layout& layout) const {
  return sequence_gate(x, weight, bias, layout);
}

LayerView::LayerView() = default;
LayerView::~LayerView() = default;

Tensor LayerView::forward(const LayerIn& in, const LayerNext& next) {
  const Running running(in_, in);
  return next(in);
}

}  // namespace v1
}  // namespace plugtune
