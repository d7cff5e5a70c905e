#pragma once
// progress.h - training as a person follows it: a live line on a terminal, plain lines elsewhere.

#include <functional>
#include <iosfwd>
#include <string>

#include "experiment/run_log.h"
#include "train/listener.h"

namespace plugtune::report {

/// Where progress is shown.
struct Terminal {
  bool live = false;           ///< lines may be drawn over
  std::function<int()> width;  ///< columns, asked before each drawing: windows are resized

  /// The terminal behind a file descriptor, or none.
  static Terminal of(int descriptor);
};

/// "step 400/18,748  epoch 0.09  loss 0.4120  accuracy 0.8125  12,340 tokens/s  2:13 left", or as much of it as `width`
/// columns hold: what matters least goes first.
std::string step_line(const train::StepReport& report, int width);
/// "epoch 1: train loss 0.5120, loss 0.4310, accuracy 0.8125, f1 0.8000 (12.3 s, evaluation 1.2 s), the best so far"
std::string evaluation_line(const train::EvalReport& report);

/// Shows a run while it trains.
class Progress final : public train::Listener {
 public:
  /// @param quiet  show nothing at all
  Progress(std::ostream& out, Terminal terminal, bool quiet = false);
  ~Progress() override;

  void on_step(const train::StepReport& report) override;
  void on_evaluation(const train::EvalReport& report) override;
  void on_message(const std::string& line) override;

 private:
  void print(const std::string& line);
  void erase();

  std::ostream& out_;
  Terminal terminal_;
  bool quiet_;
  bool drawn_ = false;  // the live line is on the screen
};

/// Tells one listener after the log: a line that a person saw is in the file.
class LoggedListener final : public train::Listener {
 public:
  LoggedListener(experiment::RunLog& log, train::Listener& shown) : log_(log), shown_(shown) {}

  void on_step(const train::StepReport& report) override;
  void on_evaluation(const train::EvalReport& report) override;
  void on_message(const std::string& line) override;

 private:
  experiment::RunLog& log_;
  train::Listener& shown_;
};

}  // namespace plugtune::report
