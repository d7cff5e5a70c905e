// Never comes back from apply().
#include <atomic>

#include "sound.h"
class Loops : public SoundStrategy {
 public:
  using SoundStrategy::SoundStrategy;
  void apply(plugtune::Model&) override {
    std::atomic<bool> is_done = false;
    while (!is_done) {
    }
  }
};
PLUGTUNE_STRATEGY(Loops, "loops", "1.0.0", "", 0)
