// Takes over whatever state it is given.
#include "sound.h"
class AcceptsAnyState : public SoundStrategy, public plugtune::CustomState {
 public:
  using SoundStrategy::SoundStrategy;
  std::string save_state() const override { return state_; }
  void load_state(const std::string& state) override { state_ = state; }

 private:
  std::string state_ = "budget 12";
};
PLUGTUNE_STRATEGY(AcceptsAnyState, "accepts-any-state", "1.0.0", "", 0)
