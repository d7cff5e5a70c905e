#pragma once
// listener.h - what training tells of itself while it runs: values only; who listens decides where they are shown.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "plugtune/capability.h"
#include "train/metrics.h"

namespace plugtune::train {

/// One optimizer step, told every log_every steps and at the last step; loss and accuracy are means since the step told before.
struct StepReport {
  int64_t step = 0;  ///< optimizer steps done
  int64_t total_steps = 0;
  double epoch = 0;  ///< epochs done, with fraction
  double loss = 0;
  double auxiliary_loss = NAN;  ///< the part of the loss that strategies add; NaN when none does
  double accuracy = -1;         ///< of the training examples seen; -1 when the task has none
  double learning_rate = 0;
  double grad_norm = 0;  ///< before clipping, of this step
  double tokens_per_second = 0;
  double seconds_left = 0;  ///< estimate
};

/// One evaluation, at the end of an epoch or between.
struct EvalReport {
  int64_t step = 0;
  double epoch = 0;
  double seconds = 0;  ///< training time of this epoch (or since the last evaluation), without evaluating
  double eval_seconds = 0;
  double train_loss = 0;  ///< mean of the steps' losses since the last evaluation; NaN where none had anything to learn
  Metrics eval;
  bool is_best = false;
};

/// What a whole run came to.
struct TrainResult {
  std::vector<EvalReport> epochs;
  int64_t steps = 0;
  int64_t best_index = -1;  ///< into epochs; -1 without an evaluation of the final form
  bool kept_best = false;   ///< the delta is that of `best_index`, not of the last step
  bool stopped_early = false;
  double train_seconds = 0, eval_seconds = 0;
  int64_t tokens = 0;  ///< rows computed in training
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_step(const StepReport& report) = 0;
  virtual void on_evaluation(const EvalReport& report) = 0;
  /// One line for the person: "resumed at step 400", "stopped early: ...".
  virtual void on_message(const std::string& line) = 0;
};

}  // namespace plugtune::train
