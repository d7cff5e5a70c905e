// Calls a function that nobody has.
#include "sound.h"
namespace elsewhere {
double temperature(int layer);
}
class Unresolved : public SoundStrategy {
 public:
  explicit Unresolved(const ConfigView& config) : SoundStrategy(config), temperature_(elsewhere::temperature(0)) {}
  double temperature_;
};
PLUGTUNE_STRATEGY(Unresolved, "unresolved", "1.0.0", "", 0)
