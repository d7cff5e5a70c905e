// Returns a column too many.
#include "sound.h"
class WrongShape : public SoundPatch {
 public:
  using SoundPatch::SoundPatch;
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return torch::constant_pad_nd(next(x), {0, 1});
  }
};
PLUGTUNE_STRATEGY(StrategyOf<WrongShape>, "wrong-shape", "1.0.0", "", 0)
