// Forgets the bias when it is folded.
#include "sound.h"
class WrongFold : public SoundPatch {
 public:
  explicit WrongFold(const plugtune::LinearSite& site) : SoundPatch(site) {
    shift_ = register_parameter("shift", torch::zeros({site.out_features()}));
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return SoundPatch::forward(x, next) + shift_;
  }

 private:
  Tensor shift_;
};
PLUGTUNE_STRATEGY(StrategyOf<WrongFold>, "wrong-fold", "1.0.0", "", 0)
