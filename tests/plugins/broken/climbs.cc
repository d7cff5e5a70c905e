// Its gradient points the wrong way.
#include "sound.h"
class Climbs : public SoundPatch {
 public:
  using SoundPatch::SoundPatch;
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    const Tensor turned = 2 * scale_.detach() - scale_;  // the value of scale_, minus its gradient
    return next(x) * turned;
  }
};
PLUGTUNE_STRATEGY(StrategyOf<Climbs>, "climbs", "1.0.0", "", 0)
