// Draws its first values from a generator that no seed reaches.
#include <random>

#include "sound.h"
class RandomStart : public SoundPatch {
 public:
  explicit RandomStart(const plugtune::LinearSite& site) : SoundPatch(site) {
    torch::NoGradGuard no_grad;
    scale_.add_(1e-6 * (1 + std::random_device()() % 1000));
  }
};
PLUGTUNE_STRATEGY(StrategyOf<RandomStart>, "random-start", "1.0.0", "", 0)
