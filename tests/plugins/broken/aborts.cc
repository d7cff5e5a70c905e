// Throws where it promised not to.
#include <stdexcept>

#include "sound.h"
class Aborts : public SoundStrategy {
 public:
  using SoundStrategy::SoundStrategy;
  void apply(plugtune::Model&) noexcept override { choose_layers(); }

 private:
  static void choose_layers() { throw std::runtime_error("gave up"); }
};
PLUGTUNE_STRATEGY(Aborts, "aborts", "1.0.0", "", 0)
