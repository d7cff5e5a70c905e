// tensorboard.cc - a run as TensorBoard shows it, while it trains.
#include "report/tensorboard.h"

#include "plugtune/error.h"

namespace plugtune::report {

Scalars step_scalars(const train::StepReport& report) {
  Scalars scalars = {{"train/loss", report.loss}};
  if (!std::isnan(report.auxiliary_loss)) scalars.emplace_back("train/auxiliary_loss", report.auxiliary_loss);
  if (report.accuracy >= 0) scalars.emplace_back("train/accuracy", report.accuracy);
  scalars.emplace_back("train/learning_rate", report.learning_rate);
  scalars.emplace_back("train/grad_norm", report.grad_norm);
  scalars.emplace_back("train/tokens_per_second", report.tokens_per_second);
  return scalars;
}

Scalars evaluation_scalars(const train::EvalReport& report) {
  Scalars scalars;
  for (const auto& [name, value] : report.eval.values)
    scalars.emplace_back("eval/" + name, value);
  return scalars;
}

TensorBoardListener::TensorBoardListener(const std::filesystem::path& run, int64_t keep_through_step,
                                         train::Listener& next)
    : next_(next) {
  try {
    events_.emplace(run, keep_through_step);
  } catch (const std::exception& error) {  // the file system's exceptions too
    next_.on_message(error.what());
  }
}

void TensorBoardListener::add(int64_t step, const Scalars& scalars) {
  if (!events_) return;
  try {
    events_->add(step, scalars);
  } catch (const Error& error) {
    next_.on_message(error.what());
    events_.reset();
  }
}

// The log first: what it cannot hold ends the run, and must not be in the events.
void TensorBoardListener::on_step(const train::StepReport& report) {
  next_.on_step(report);
  add(report.step, step_scalars(report));
}

void TensorBoardListener::on_evaluation(const train::EvalReport& report) {
  next_.on_evaluation(report);
  add(report.step, evaluation_scalars(report));
}

}  // namespace plugtune::report
