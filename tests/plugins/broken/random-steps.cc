// Trains with noise that no seed reaches.
#include <random>

#include "sound.h"
class RandomSteps : public SoundPatch {
 public:
  using SoundPatch::SoundPatch;
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    const double noise = is_training() ? 1e-2 * (1 + std::random_device()() % 1000) : 0;
    return SoundPatch::forward(x, next) * (1 + noise);
  }
};
PLUGTUNE_STRATEGY(StrategyOf<RandomSteps>, "random-steps", "1.0.0", "", 0)
