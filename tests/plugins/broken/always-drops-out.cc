// Drops out in evaluation as well.
#include "sound.h"
class AlwaysDropsOut : public SoundPatch {
 public:
  using SoundPatch::SoundPatch;
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return next(x) * (1 + torch::dropout(scale_ - 1, /*p=*/0.5, /*train=*/true));
  }
};
PLUGTUNE_STRATEGY(StrategyOf<AlwaysDropsOut>, "always-drops-out", "1.0.0", "", 0)
