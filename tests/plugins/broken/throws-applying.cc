// Throws in apply().
#include <stdexcept>

#include "sound.h"
class ThrowsApplying : public SoundStrategy {
 public:
  using SoundStrategy::SoundStrategy;
  void apply(plugtune::Model&) override { throw std::runtime_error("no layer was chosen"); }
};
PLUGTUNE_STRATEGY(ThrowsApplying, "throws-applying", "1.0.0", "", 0)
