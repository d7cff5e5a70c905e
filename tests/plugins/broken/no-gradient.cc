// Has a parameter that the output does not depend on.
#include "sound.h"
class NoGradient : public SoundPatch {
 public:
  explicit NoGradient(const plugtune::LinearSite& site) : SoundPatch(site) {
    shift_ = register_parameter("shift", torch::zeros({site.out_features()}));
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return SoundPatch::forward(x, next) + shift_.detach();
  }

 private:
  Tensor shift_;
};
PLUGTUNE_STRATEGY(StrategyOf<NoGradient>, "no-gradient", "1.0.0", "", 0)
