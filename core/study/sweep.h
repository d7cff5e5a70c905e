#pragma once
// sweep.h - trains what a study still lacks: child processes side by side, until nothing is left that can be trained.

#include "study/child.h"
#include "study/live_table.h"

namespace plugtune::study {

struct SweepOptions {
  std::string program;                          ///< plugtune itself
  std::vector<std::string> plugin_arguments{};  ///< "--plugin-path", "DIR", ...
  int threads = 1;                              ///< of all jobs together
};

/// The plan as far as the disk knows it. Throws Error as Board::look() does.
Plan current_plan(const Study& study, Board& board);
/// The metric that the search chooses by: the file's, or what it came to in the runs that are there; "" before there are any.
std::string search_metric(const Study& study, const Plan& plan, const Board& board);
/// The metric of the study's own runs, the same.
std::string main_metric(const Study& study, const Plan& plan, const Board& board);
/// What is shown of a plan, nothing running.
View view_of(const Study& study, const Plan& plan, const Board& board);

class Sweep {
 public:
  Sweep(const Study& study, Board& board, SweepOptions options, LiveTable& table);

  /// To the end. @returns one problem for each run that failed, or was not begun because its source failed.
  /// Throws train::Interrupted when a signal came, after the children have written their checkpoints.
  std::vector<std::string> run();

 private:
  struct Job {
    PlannedRun run;
    Child child;
  };
  void begin(const PlannedRun& run);
  bool is_running(const std::string& id) const;
  void begin_what_is_ready(const Work& work);
  bool end_what_is_over();
  void finish(const PlannedRun& run, int status);
  void tidy(const Work& work);
  void show(const std::string& line = "");
  std::vector<std::string> train_all();
  /// After the children have written their checkpoints.
  void end_jobs();
  void stop(int signal);
  std::vector<std::string> problems(const Work& work) const;

  const Study& study_;
  Board& board_;
  SweepOptions options_;
  LiveTable& table_;
  Plan plan_;
  std::vector<Job> jobs_;
};

}  // namespace plugtune::study
