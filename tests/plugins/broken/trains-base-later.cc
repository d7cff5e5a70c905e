// The same, but not before the first forward pass.
#include "sound.h"
class TrainsBaseLater : public SoundPatch {
 public:
  explicit TrainsBaseLater(const plugtune::LinearSite& site) : SoundPatch(site), weight_(site.weight) {}
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    if (is_training()) weight_.set_requires_grad(true);
    return SoundPatch::forward(x, next);
  }

 private:
  Tensor weight_;
};
PLUGTUNE_STRATEGY(StrategyOf<TrainsBaseLater>, "trains-base-later", "1.0.0", "", 0)
