// Lets base weights train without telling the host.
#include "sound.h"
class TrainsBase : public SoundStrategy {
 public:
  using SoundStrategy::SoundStrategy;
  void apply(plugtune::Model& model) override {
    SoundStrategy::apply(model);
    model.linear(plugtune::Role::kKey, 0).bias.set_requires_grad(true);
  }
};
PLUGTUNE_STRATEGY(TrainsBase, "trains-base", "1.0.0", "", 0)
