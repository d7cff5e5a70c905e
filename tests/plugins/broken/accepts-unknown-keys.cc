// Never rejects what it does not know.
#include "sound.h"
class AcceptsUnknownKeys : public plugtune::Strategy {
 public:
  explicit AcceptsUnknownKeys(const ConfigView& config) { config.integer("rank", 8, 1); }
  void apply(plugtune::Model&) override {}
};
PLUGTUNE_STRATEGY(AcceptsUnknownKeys, "accepts-unknown-keys", "1.0.0", "", 0)
