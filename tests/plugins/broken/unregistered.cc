// Computes with a random tensor that nobody saves.
#include "sound.h"
class Unregistered : public SoundPatch {
 public:
  explicit Unregistered(const plugtune::LinearSite& site)
      : SoundPatch(site),
        mask_(torch::rand({site.out_features()})) {}
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return next(x) * (1 + (scale_ - 1) * mask_);
  }

 private:
  Tensor mask_;
};
PLUGTUNE_STRATEGY(StrategyOf<Unregistered>, "unregistered", "1.0.0", "", 0)
