#pragma once
// trainer.h - fine-tuning: the order of everything that happens in a step.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/batches.h"
#include "data/encode.h"
#include "model/bert.h"
#include "train/checkpoint.h"
#include "train/evaluator.h"
#include "train/flat_optimizer.h"
#include "train/listener.h"
#include "train/memory_budget.h"
#include "train/methods.h"
#include "train/settings.h"
#include "train/word_compaction.h"

namespace plugtune::train {

/// What a run trains and on what. References must outlive the trainer; strategies are applied already.
struct TrainJob {
  model::Bert& model;
  const Methods& methods;
  const data::EncodedSplit& train;
  const data::EncodedSplit* evaluation;  ///< may be null: then nothing is evaluated
  const CheckpointStore* checkpoints;    ///< may be null: then nothing is saved
  Listener& listener;
  TrainSettings settings;
  EvalSettings eval;
  uint64_t seed = 42;
  std::string base{};  ///< says which weights the model began with; checkpoints of others are refused. "": not known
};

/// Every trainable tensor with its full name: patches', the base's that strategies asked for, the head's.
std::vector<std::pair<std::string, Tensor>> trainable_parameters(const model::Bert& model);

/// How many numbers they have together.
int64_t count_numbers(const std::vector<std::pair<std::string, Tensor>>& tensors);

/// Trains to the end, or from the newest checkpoint on. Afterwards the model has the delta to keep.
class Trainer {
 public:
  explicit Trainer(TrainJob job);

  /// @param resume  go on from the newest checkpoint, if there is one.
  /// Throws Interrupted after writing a checkpoint; Error when numbers stop being finite or a file cannot be written.
  TrainResult run(bool resume);

  /// What training changed: the fp32 values of everything that trains, and what does not train as it was loaded. They may
  /// share memory with the model: clone what is to outlast the next step.
  NamedTensors delta() const;
  int64_t total_steps() const noexcept { return total_steps_; }
  /// The answers of the newest evaluation; none when a resumed run did no evaluation of its own.
  const std::optional<Predictions>& last_predictions() const noexcept { return last_predictions_; }
  /// Rows of a forward pass without a graph that the run's memory has room for.
  int64_t eval_batch_tokens() const noexcept { return job_.eval.batch_tokens; }
  /// What each step trains on.
  const data::BatchPlan& plan() const noexcept { return plan_; }

 private:
  void train_step();
  double forward_backward(const std::vector<data::Batch>& step);
  /// What a batch adds to the step's loss.
  struct Loss {
    Tensor value, logits, auxiliary;  // auxiliary: its part of value, undefined when there is none
  };
  Loss loss_of(const data::Batch& batch);
  void plan_memory();
  [[noreturn]] void fail_not_finite(const std::vector<data::Batch>& step, double loss);
  void log_step(double norm);
  void evaluate();
  std::string not_finite_text(const Predictions& predictions) const;
  /// Throws Error where the last update left a value that is not finite, which no loss has shown yet.
  void check_parameters() const;
  bool tells_accuracy() const;
  bool should_stop_early() const;
  void save_checkpoint();
  void load_checkpoint(const Checkpoint& checkpoint);
  void keep_best();
  bool is_due(const Every& every) const;
  double epochs_done() const;
  double learning_rate_factor(int64_t step) const;
  void to_training_precision();
  void remember_originals(const NamedTensors& values);
  Tensor whole_words() const;
  void compute_features();
  int64_t features_bytes() const;
  Beside beside_passes() const;

  TrainJob job_;
  data::BatchPlan plan_;
  int64_t total_steps_, warmup_steps_;
  WordCompaction words_;
  FlatOptimizer optimizer_;
  /// What does not train, before and after it was rounded to bf16. A buffer that still is the rounded one was not changed since.
  struct Rounded {
    Tensor value, rounded;
  };
  std::map<std::string, Rounded> originals_;
  bool keeps_features_ = false;
  int64_t frozen_layers_ = 0;                // they compute without dropout, as in an evaluation
  Features features_, evaluation_features_;  // what they compute; undefined: anew in every step
  Progress progress_;
  std::optional<Predictions> last_predictions_;
  int64_t kept_step_ = -1;  // the step whose values were kept as the best; -1: the newest are
  double log_clock_ = 0;    // seconds at the last log line
  int64_t log_tokens_ = 0;  // tokens then
  int64_t steps_at_start_ = 0;
  double seconds_at_start_ = 0;
};

}  // namespace plugtune::train
