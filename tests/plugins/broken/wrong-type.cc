// Computes in float whatever it is given.
#include "sound.h"
class WrongType : public SoundPatch {
 public:
  using SoundPatch::SoundPatch;
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return next(x).to(torch::kFloat32) * scale_.to(torch::kFloat32);
  }
};
PLUGTUNE_STRATEGY(StrategyOf<WrongType>, "wrong-type", "1.0.0", "", 0)
