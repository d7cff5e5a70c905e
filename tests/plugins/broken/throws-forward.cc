// Throws in forward().
#include <stdexcept>

#include "sound.h"
class ThrowsForward : public SoundPatch {
 public:
  using SoundPatch::SoundPatch;
  Tensor forward(const Tensor&, const plugtune::LinearNext&) override { throw std::logic_error("not implemented"); }
};
PLUGTUNE_STRATEGY(StrategyOf<ThrowsForward>, "throws-forward", "1.0.0", "", 0)
