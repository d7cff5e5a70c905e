#pragma once
// board.h - what the disk has of a study's runs. The only memory of a study.
//
//   <study>/study.json                 what it is and, at the end, what it came to
//   <study>/runs/<run>/                run directories; search/ and sources/ the same
//   <study>/runs/<run>.toml            their experiments, for `plugtune train`
//   <study>/runs/<run>.error           why the run failed, until it is tried again
//
// A run is finished when its report.json is there and is of the planned settings: nothing else is asked for, so reports that were
// copied from another machine count.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "report/run_report.h"
#include "study/plan.h"

namespace plugtune::study {

/// What plugins make of the tables that are theirs, defaults filled in. Absent: not known here, so keys that the study leaves out are
/// not compared.
struct PluginTables {
  std::optional<ConfigNode> data{};
  std::optional<std::vector<ConfigNode>> strategies{};
};

enum class Phase { kAbsent, kStarted, kFinished, kFailed };

struct Status {
  Phase phase = Phase::kAbsent;
  std::optional<report::RunReport> report{};
  bool has_delta = false;
  std::string error{};  ///< of a failed run
};

class Board {
 public:
  /// @param plugins  of each method; empty: not known
  Board(const Study& study, std::vector<PluginTables> plugins);

  /// Looks at the runs of a plan that were not looked at yet, or not for these settings. Throws Error, with all of them, for runs that
  /// are there with other settings or a damaged report.
  void look(const Plan& plan);
  /// Looks at one again.
  void refresh(const PlannedRun& run, const Plan& plan);
  const Status& status(const std::string& id) const;

  /// The search's value of a run, as make_plan() asks for it.
  std::optional<double> search_value(const std::string& id, const std::string& metric) const;

  std::filesystem::path directory(const std::string& id) const { return study_.directory / id; }
  std::filesystem::path experiment_file(const std::string& id) const { return study_.directory / (id + ".toml"); }
  std::filesystem::path error_file(const std::string& id) const { return study_.directory / (id + ".error"); }

 private:
  /// @param plan  that the run is of: what started from it is named in messages
  Status read(const PlannedRun& run, const Plan& plan) const;
  void check_settings(const PlannedRun& run, const ConfigNode& there, const Plan& plan) const;
  /// Runs that are there, ids.
  std::vector<std::string> started_from(const std::string& id, const Plan& plan) const;

  const Study& study_;
  std::vector<PluginTables> plugins_;
  std::map<std::string, Status> statuses_;
  std::map<std::string, std::string> planned_;  // the experiments that these were compared with
};

/// What a plan still has to train, given what is there.
struct Work {
  std::vector<const PlannedRun*> to_train;  ///< sources first
  std::set<std::string> kept;               ///< runs whose deltas must stay
};
Work work_of(const Study& study, const Plan& plan, const Board& board);

/// Keys in which the settings of a run that is there differ from the planned ones: "train.epochs: 1.0 there, 2.0 here".
/// What the file leaves to the data and the machine ("auto") is not compared.
std::vector<std::string> differences_from_plan(const ConfigNode& planned, const ConfigNode& there,
                                               const PluginTables& plugins);

}  // namespace plugtune::study
