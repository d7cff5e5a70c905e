#pragma once
// tensorboard.h - a run as TensorBoard shows it, while it trains.

#include <filesystem>
#include <optional>

#include "report/event_file.h"
#include "train/listener.h"

namespace plugtune::report {

/// Tags of a logged step: train/loss, train/auxiliary_loss (where a strategy adds one), train/accuracy (where the task has one), train/learning_rate, train/grad_norm,
/// train/tokens_per_second.
Scalars step_scalars(const train::StepReport& report);
/// Tags of an evaluation: eval/<metric>.
Scalars evaluation_scalars(const train::EvalReport& report);

/// Writes events and hands everything on. Events that cannot be written are told of once and not tried again: the run goes on,
/// and its log has the same numbers.
class TensorBoardListener final : public train::Listener {
 public:
  /// @param keep_through_step  as of EventFile
  TensorBoardListener(const std::filesystem::path& run, int64_t keep_through_step, train::Listener& next);

  void on_step(const train::StepReport& report) override;
  void on_evaluation(const train::EvalReport& report) override;
  void on_message(const std::string& line) override { next_.on_message(line); }

 private:
  void add(int64_t step, const Scalars& scalars);

  train::Listener& next_;
  std::optional<EventFile> events_;
};

}  // namespace plugtune::report
