// Throws in the backward function of its own autograd node.
#include <torch/csrc/autograd/custom_function.h>

#include <stdexcept>

#include "sound.h"
struct Node : torch::autograd::Function<Node> {
  static Tensor forward(torch::autograd::AutogradContext*, const Tensor& x) { return x.clone(); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list&) {
    throw std::runtime_error("gradient is not known");
  }
};
class ThrowsBackward : public SoundPatch {
 public:
  using SoundPatch::SoundPatch;
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return Node::apply(SoundPatch::forward(x, next));
  }
};
PLUGTUNE_STRATEGY(StrategyOf<ThrowsBackward>, "throws-backward", "1.0.0", "", 0)
