// Its default is none of the values that it accepts: a run's own resolved settings would be refused.
#include "sound.h"
class ForgetsDefaults : public plugtune::Strategy {
 public:
  explicit ForgetsDefaults(const ConfigView& config) {
    config.integer("rank", 0, 1, 64);
    config.reject_unknown();
  }
  void apply(plugtune::Model&) override {}
};
PLUGTUNE_STRATEGY(ForgetsDefaults, "forgets-defaults", "1.0.0", "", 0)
