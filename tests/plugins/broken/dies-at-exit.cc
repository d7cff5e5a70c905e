// Does its work and takes the process down when it is to end.
#include <cstdlib>

#include "sound.h"
class DiesAtExit : public SoundStrategy {
 public:
  explicit DiesAtExit(const ConfigView& config) : SoundStrategy(config) {
    std::atexit([] { std::abort(); });
  }
};
PLUGTUNE_STRATEGY(DiesAtExit, "dies-at-exit", "1.0.0", "", 0)
