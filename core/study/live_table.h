#pragma once
// live_table.h - a sweep as a person follows it: a table drawn over on a terminal, plain lines elsewhere.

#include <chrono>
#include <iosfwd>
#include <string>
#include <vector>

#include "report/progress.h"
#include "study/estimate.h"

namespace plugtune::study {

/// A run in progress, from its log.
struct RunningRun {
  std::string id;
  double done = 0;    ///< part of its training
  double loss = NAN;  ///< the newest
};
/// @param log  log.jsonl of the run
RunningRun running_run(const PlannedRun& run, const std::filesystem::path& log);

/// Everything that is shown at one moment.
struct View {
  const Study& study;
  const Plan& plan;
  const Board& board;
  std::string metric;  ///< of the study's own runs
  std::vector<RunningRun> running{};
  int64_t finished = 0, total = 0;
  std::optional<double> seconds_left{};
};

/// Methods by sizes: finished runs of all, and the mean of the metric so far; below, what runs right now.
std::string view_text(const View& view);
/// "4 of 12 runs, 1:20 left"
std::string count_text(const View& view);

class LiveTable {
 public:
  LiveTable(std::ostream& out, report::Terminal terminal, bool quiet)
      : out_(out),
        terminal_(std::move(terminal)),
        quiet_(quiet) {}
  ~LiveTable() { erase(); }

  /// Whether the table is to be drawn anew: not more often than people can read.
  bool is_due() const;
  void show(const View& view);
  /// One line that stays.
  void line(const std::string& text);

 private:
  void erase();

  std::ostream& out_;
  report::Terminal terminal_;
  bool quiet_;
  int lines_ = 0;  // of what is drawn
  std::chrono::steady_clock::time_point drawn_{};
};

}  // namespace plugtune::study
