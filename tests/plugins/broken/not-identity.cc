// Starts somewhere else than the model that it was given, and does not say so.
#include "sound.h"
class NotIdentity : public SoundPatch {
 public:
  explicit NotIdentity(const plugtune::LinearSite& site) : SoundPatch(site) {
    torch::NoGradGuard no_grad;
    scale_.fill_(2);
  }
};
PLUGTUNE_STRATEGY(StrategyOf<NotIdentity>, "not-identity", "1.0.0", "", 0)
