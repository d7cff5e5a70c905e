#pragma once
// training_plan.h - what a run is going to do, for strategies that lay something out over it.

#include <cstdint>

#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

/// What is known of a run before its first step. Early stopping and signals may end it sooner.
struct PLUGTUNE_API TrainingPlan {
  int64_t steps = 0;            ///< optimizer steps of the whole run, those before a checkpoint too
  int64_t steps_per_epoch = 0;  ///< at least 1
  int64_t warmup_steps = 0;     ///< of train.schedule
};

/// Of a Strategy: told how long training is, so that nobody writes it into the strategy's settings again.
class PLUGTUNE_API PlanObserver {
 public:
  virtual ~PlanObserver();
  /// Called by processes that train: after apply(), before load_state() and the first step. An Error thrown here
  /// (ConfigView::error()) ends the run before it has begun.
  virtual void on_train_begin(const TrainingPlan& plan) = 0;
};

}  // namespace v1
}  // namespace plugtune
