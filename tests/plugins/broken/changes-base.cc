// Writes into the weights that it should wrap.
#include "sound.h"
class ChangesBase : public SoundStrategy {
 public:
  using SoundStrategy::SoundStrategy;
  void apply(plugtune::Model& model) override {
    SoundStrategy::apply(model);
    torch::NoGradGuard no_grad;
    model.linear(plugtune::Role::kQuery, 1).weight.mul_(0.5);
  }
};
PLUGTUNE_STRATEGY(ChangesBase, "changes-base", "1.0.0", "", 0)
