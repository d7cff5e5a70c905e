// Writes where nothing is.
#include "sound.h"
class Segfaults : public SoundStrategy {
 public:
  using SoundStrategy::SoundStrategy;
  void apply(plugtune::Model&) override { *const_cast<volatile int*>(static_cast<int*>(nullptr)) = 1; }
};
PLUGTUNE_STRATEGY(Segfaults, "segfaults", "1.0.0", "", 0)
