#pragma once
// checkpoint.h - everything a run needs to go on as if it had never stopped, in directories that are whole or not there.

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "formats/named_tensors.h"
#include "train/listener.h"

namespace plugtune::train {

using formats::NamedTensors;

/// State beside the tensors. Sums are over what was trained since the last evaluation or the last log line.
struct Progress {
  int64_t step = 0;
  int64_t tokens = 0;
  int64_t evaluations_since_best = 0;
  int64_t best_index = -1;
  double train_seconds = 0, eval_seconds = 0, seconds_since_evaluation = 0;
  struct Sums {
    double loss = 0, auxiliary_loss = 0;  ///< of step means
    int64_t steps = 0, correct = 0, examples = 0;
  };
  Sums since_evaluation, since_log;
  std::vector<EvalReport> evaluations;
  std::map<std::string, std::string> custom;  ///< CustomState of each strategy, by "<position>.<name>"
  std::string base{}, texts{};  ///< which weights and which training texts it goes on with; empty: not known

  /// The step of the best evaluation, -1 when there is none.
  int64_t best_step() const { return best_index < 0 ? -1 : evaluations[static_cast<size_t>(best_index)].step; }
};

struct Checkpoint {
  NamedTensors delta, optimizer;
  Tensor random_state;  ///< uint8, of torch's default CPU generator
  Progress progress;
};

/// Throws Error where a checkpoint is of a run with other weights or texts than these; "" is not known.
/// @param subject  in front of the message
void check_origin(const std::string& subject, const Progress& progress, const std::string& base,
                  const std::string& texts);

/// `checkpoints/step-000400/{delta,optimizer}.safetensors, state.json` and, of the evaluation that was the best at one of them,
/// `checkpoints/best-000300/delta.safetensors`: a run that was killed after a better one goes on from the older.
class CheckpointStore {
 public:
  /// @param keep  newest ones that stay.
  CheckpointStore(std::filesystem::path directory, int64_t keep);

  /// Throws Error when it cannot be written whole; earlier checkpoints are as they were.
  void save(const Checkpoint& checkpoint) const;
  /// The newest one, or none. Throws Error if it is damaged.
  std::optional<Checkpoint> newest() const;
  /// Its step, or 0 when there is none.
  int64_t newest_step() const;

  /// Of earlier ones those stay that a checkpoint needs. @param step  of the evaluation
  void save_best(const NamedTensors& delta, int64_t step) const;
  NamedTensors best(int64_t step) const;

 private:
  std::vector<std::filesystem::path> all(const std::string& prefix) const;  // by their step, ascending
  void remove_bests_but(int64_t newest) const;
  std::filesystem::path directory_;
  int64_t keep_;
};

}  // namespace plugtune::train
