// Chooses sites that no model has.
#include "sound.h"
class WrongTarget : public plugtune::Strategy {
 public:
  explicit WrongTarget(const ConfigView& config) : targets_(config.selector({"querry"})) { config.reject_unknown(); }
  void apply(plugtune::Model& model) override { model.linears(targets_); }

 private:
  plugtune::Selector targets_;
};
PLUGTUNE_STRATEGY(WrongTarget, "wrong-target", "1.0.0", "", 0)
