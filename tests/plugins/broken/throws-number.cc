// Throws something that is not an exception.
#include "sound.h"
class ThrowsNumber : public SoundStrategy {
 public:
  explicit ThrowsNumber(const ConfigView& config) : SoundStrategy(config) { throw 42; }
};
PLUGTUNE_STRATEGY(ThrowsNumber, "throws-number", "1.0.0", "", 0)
