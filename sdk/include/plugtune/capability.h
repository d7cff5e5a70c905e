#pragma once
// capability.h - what a plugin's class can do beside its duty: one small class each, inherited when wanted.

#include <torch/types.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

using torch::Tensor;

/// Of a LinearPatch: it can be absorbed exactly into the linear layer it wraps.
class PLUGTUNE_API Foldable {
 public:
  virtual ~Foldable();
  /// Changes `weight` (out, in) and `bias` (out) in place or by assignment so that the bare layer computes what the
  /// patched one did in evaluation mode. Called without gradients, innermost patch first, in float64 or float32: by
  /// `plugtune merge`, and for predictions over many rows, which then do not call forward().
  virtual void fold(Tensor& weight, Tensor& bias) const = 0;
};

/// Of a TokenPatch: it can be absorbed exactly into the word embedding.
class PLUGTUNE_API FoldableEmbedding {
 public:
  virtual ~FoldableEmbedding();
  /// @param weight  (V, H), changed in place or by assignment.
  virtual void fold(Tensor& weight) const = 0;
};

/// Of a Strategy: told of each optimizer step. Steps count from 0.
class PLUGTUNE_API StepObserver {
 public:
  virtual ~StepObserver();
  /// Gradients are complete and not clipped yet; they may be changed in place.
  virtual void on_backward_end(int64_t step);
  /// The optimizer and the schedule have stepped. Trainables may be changed in place, under a torch::NoGradGuard of the
  /// strategy's own: the optimizer goes on from what they are then, in bf16 too.
  virtual void on_step_end(int64_t step);
};

/// Of a Strategy: a scalar that is added to the loss of every optimizer step.
class PLUGTUNE_API AuxiliaryLoss {
 public:
  virtual ~AuxiliaryLoss();
  /// Differentiable, fp32, 0-dimensional. Called once per optimizer step, after the forward pass of its last micro-batch.
  virtual Tensor auxiliary_loss() = 0;
};

/// Settings of one trainable tensor, relative to the experiment's.
struct PLUGTUNE_API ParamRule {
  double learning_rate_scale = 1.0;    ///< times train.learning_rate
  std::optional<double> weight_decay;  ///< instead of train.weight_decay
};

/// Of a Strategy: own rates or decay for some trainables (layer-wise decay, LoRA+).
class PLUGTUNE_API ParamGrouping {
 public:
  virtual ~ParamGrouping();
  /// @param name  the trainable's full name: `<site path>.<patch>.<parameter>`, a base parameter, or the head's.
  virtual ParamRule rule(const std::string& name) const = 0;
};

/// Of a Strategy: state that is neither parameter nor buffer, saved with each checkpoint (not with the delta).
class PLUGTUNE_API CustomState {
 public:
  virtual ~CustomState();
  /// The state as text or any bytes. Called between steps, for each checkpoint.
  virtual std::string save_state() const = 0;
  /// Throws Error if `state` is not one of save_state()'s.
  virtual void load_state(const std::string& state) = 0;
};

/// A picture of numbers for the report: a table, drawn as a heat map where that is possible.
struct PLUGTUNE_API ReportTable {
  std::string title;  ///< what it shows, for its heading
  /// Names, one of each row.
  std::vector<std::string> rows, columns;  ///< names, one of each column
  Tensor values;                           ///< (rows, columns) float64 on the CPU
};

/// Of a Strategy: its own numbers and pictures for the report.
class PLUGTUNE_API Reporter {
 public:
  virtual ~Reporter();
  /// The final evaluation starts: begin to collect.
  virtual void report_begin() = 0;
  /// The final evaluation is over: what was collected.
  virtual std::vector<ReportTable> report_end() = 0;
};

}  // namespace v1
}  // namespace plugtune
