#pragma once
// run_directory.h - runs/<name>: what lies where in it, and who may write to it.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "plugtune/config.h"

namespace plugtune::experiment {

/// The names in a run directory. Nothing is opened.
struct RunPaths {
  explicit RunPaths(std::filesystem::path run) : root(std::move(run)) {}

  std::filesystem::path root;
  std::filesystem::path experiment() const { return root / "experiment.toml"; }
  std::filesystem::path log() const { return root / "log.jsonl"; }
  std::filesystem::path report() const { return root / "report.json"; }
  std::filesystem::path page() const { return root / "report.html"; }
  std::filesystem::path delta() const { return root / "delta"; }
  std::filesystem::path delta_tensors() const { return root / "delta" / "delta.safetensors"; }
  std::filesystem::path delta_info() const { return root / "delta" / "delta.json"; }
  std::filesystem::path checkpoints() const { return root / "checkpoints"; }
};

/// "runs/<name>": where a run goes without --output.
std::filesystem::path default_run_path(const std::string& name);

enum class RunState {
  kAbsent,    ///< nothing there, or an empty directory
  kStarted,   ///< has an experiment and no report
  kFinished,  ///< has its report
  kForeign,   ///< something else
};
RunState run_state(const std::filesystem::path& run);

/// Throws Error when `run` is not the directory of a finished run: not there, not finished, not a run.
RunPaths finished_run(const std::filesystem::path& run);

/// The right to write to one run directory, kept as long as the object lives.
class RunDirectory {
 public:
  /// Makes the directory with its experiment.toml, or takes up a run that was started (`resume`).
  ///
  /// Without `resume` only a new or empty directory will do. With it, a directory that was never made is made (a run
  /// may be killed before its first second is over), and one that exists must be of the same experiment, run.threads
  /// excepted. Leftovers of killed writers are removed. Throws Error, also while another process holds the run.
  RunDirectory(const std::filesystem::path& run, const ConfigNode& resolved, bool resume);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const RunPaths& paths() const noexcept { return paths_; }
  /// The directory was there before: there may be checkpoints.
  bool resumed() const noexcept { return resumed_; }

 private:
  void write_first(const ConfigNode& resolved) const;
  void lock();
  [[noreturn]] void throw_is_taken() const;

  RunPaths paths_;
  bool resumed_ = false;
  int lock_ = -1;  // descriptor of the directory, locked
};

/// Throws Error that tells every setting of a run which differs: it cannot be resumed with these.
void check_same_experiment(const RunPaths& paths, const ConfigNode& resolved);

/// The text of a run's experiment.toml: the tables below the command that repeats the run.
std::string experiment_text(const std::filesystem::path& run, const ConfigNode& resolved);

/// Every value of an experiment by its dotted key, as TOML text: {"train.epochs", "4.0"}, {"strategy[1].rank", "8"}.
std::map<std::string, std::string> flat_values(const ConfigNode& tables);

/// Every key in which two experiments differ: "train.learning_rate: 0.0005 there, 0.001 here".
std::vector<std::string> differences(const ConfigNode& there, const ConfigNode& here);

}  // namespace plugtune::experiment
