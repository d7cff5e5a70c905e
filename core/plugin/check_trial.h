#pragma once
// check_trial.h - inside `plugtune check`: a strategy applied to a small random encoder, with a batch to try it on.

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/bert.h"
#include "plugin/check_case.h"
#include "train/delta.h"

namespace plugtune::plugin {

/// Sequences with a label each.
struct TrialBatch {
  model::Input input;
  Tensor targets;  ///< (B) int64
};
/// Random tokens, always the same for the same lengths.
TrialBatch trial_batch(const std::vector<int64_t>& lengths);
/// Lengths 9, 1, 5, 12, 3, 7, 2, 8.
const TrialBatch& ragged_batch();
/// One sequence of a batch, alone.
TrialBatch single_sequence(const TrialBatch& batch, int64_t sequence);

/// max |a - b| / max(1, max |b|), in double.
double difference(const Tensor& a, const Tensor& b);
bool same_bits(const Tensor& a, const Tensor& b);

/// A strategy on a model of its own: 2 layers, H 32, A 4, F 64, V 100. The same seed makes the same model.
class Trial {
 public:
  /// Makes the model, with what stands in front, and the strategy; not applied yet.
  Trial(const CheckSubject& subject, const Plugin& plugin, uint64_t seed = 1);
  /// The same of a strategy that is made already. @param extra_seed  CheckOptions::seed
  Trial(LoadedStrategy strategy, uint64_t extra_seed, uint64_t seed = 1);

  /// @param seed  of torch's generator during apply().
  Trial& apply(uint64_t seed = 7);

  const LoadedStrategy& strategy() const noexcept { return strategy_; }
  model::Bert& model() noexcept { return *model_; }
  const Plugin& plugin() const noexcept { return strategy_.plugin; }

  /// Evaluation mode, without gradients; in the model's mode for forward(). Guarded.
  Tensor logits(const TrialBatch& batch = ragged_batch());  ///< (B, labels)
  Tensor hidden(const TrialBatch& batch = ragged_batch());  ///< (N, H)
  Tensor forward(const TrialBatch& batch = ragged_batch());
  /// What a step descends on: the ragged batch's loss and what the strategy adds to it, in the model's mode.
  Tensor training_loss();

  /// What the strategy lets train: its patches' parameters and the base's it asked for. By full name.
  std::vector<std::pair<std::string, Tensor>> trainables();
  /// Base parameters and the classifier's that must stay as they are.
  std::vector<std::pair<std::string, Tensor>> frozen();

  /// Steps of AdamW on the ragged batch, with the strategy's capabilities; `each` is called after every backward pass.
  /// @param with_head  the classifier trains too, as in a run.
  void train(int steps, bool with_head = true, const std::function<void()>& each = {});
  /// The batch's loss in evaluation mode.
  double loss();

 private:
  void put_in_front(LoadedStrategy other);

  // Strategies outlive the model: patches may point to them.
  LoadedStrategy strategy_;
  std::vector<LoadedStrategy> in_front_;
  uint64_t extra_seed_;
  std::shared_ptr<model::Bert> model_;
};

/// Copies of every tensor of a trial's delta, by key.
std::map<std::string, Tensor> delta_copy(Trial& trial);

}  // namespace plugtune::plugin
