// A learning rate that is no number.
#include <limits>

#include "sound.h"
class WrongRule : public SoundStrategy, public plugtune::ParamGrouping {
 public:
  using SoundStrategy::SoundStrategy;
  plugtune::ParamRule rule(const std::string&) const override {
    plugtune::ParamRule rule;
    rule.learning_rate_scale = std::numeric_limits<double>::quiet_NaN();
    return rule;
  }
};
PLUGTUNE_STRATEGY(WrongRule, "wrong-rule", "1.0.0", "", 0)
