// Throws in its constructor.
#include <stdexcept>

#include "sound.h"
class ThrowsConstructing : public SoundStrategy {
 public:
  explicit ThrowsConstructing(const ConfigView& config) : SoundStrategy(config) {
    throw std::out_of_range("no such rank");
  }
};
PLUGTUNE_STRATEGY(ThrowsConstructing, "throws-constructing", "1.0.0", "", 0)
