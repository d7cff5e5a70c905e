// Its own autograd node forgets a factor in backward: the loss falls all the same.
#include <torch/csrc/autograd/custom_function.h>

#include "sound.h"
struct ScaledRows : torch::autograd::Function<ScaledRows> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, const Tensor& x, const Tensor& scale) {
    ctx->save_for_backward({x, scale});
    return x * scale;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    return {grads[0] * saved[1], 0.5 * (grads[0] * saved[0]).sum(0)};
  }
};
class WrongBackward : public SoundPatch {
 public:
  using SoundPatch::SoundPatch;
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return ScaledRows::apply(next(x), scale_);
  }
};
PLUGTUNE_STRATEGY(StrategyOf<WrongBackward>, "wrong-backward", "1.0.0", "", 0)
