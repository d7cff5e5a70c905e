// run_directory.cc - runs/<name>: what lies where in it, and who may write to it.
#include "experiment/run_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

#include "experiment/toml.h"
#include "formats/atomic_file.h"
#include "formats/wording.h"
#include "plugtune/error.h"
#include "text/unicode.h"

namespace plugtune::experiment {

namespace fs = std::filesystem;

namespace {

/// Every value by its dotted key, as TOML text.
void flatten(const ConfigNode& node, const std::string& key, std::map<std::string, std::string>& values) {
  if (const auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    for (const auto& [name, value] : *table)
      flatten(value, key.empty() ? name : key + "." + name, values);
    return;
  }
  const auto* array = std::get_if<ConfigNode::Array>(&node.value);
  if (array != nullptr && !array->empty() && std::holds_alternative<ConfigNode::Table>(array->front().value)) {
    for (size_t i = 0; i < array->size(); ++i)
      flatten((*array)[i], fmt::format("{}[{}]", key, i), values);
    return;
  }
  values[key] = write_toml_value(node);
}

}  // namespace

fs::path default_run_path(const std::string& name) { return fs::path("runs") / name; }

RunState run_state(const fs::path& run) {
  std::error_code error;
  const RunPaths paths(run);
  if (!fs::exists(fs::symlink_status(run, error))) return RunState::kAbsent;
  if (fs::exists(paths.experiment(), error))
    return fs::exists(paths.report(), error) ? RunState::kFinished : RunState::kStarted;
  return fs::is_directory(run, error) && fs::is_empty(run, error) && !error ? RunState::kAbsent : RunState::kForeign;
}

RunPaths finished_run(const fs::path& run) {
  const std::string name = run.string();
  std::error_code error;
  switch (run_state(run)) {
    case RunState::kFinished:
      return RunPaths(run);
    case RunState::kStarted:
      throw Error(
          fmt::format("{}: is not finished (no report.json); go on with it: plugtune train {} --output {} --resume",
                      name, RunPaths(run).experiment().string(), name));
    case RunState::kAbsent:
      if (!fs::exists(run, error)) throw Error(formats::not_found(run));
      throw Error(fmt::format("{}: is empty, expected a run directory", name));
    case RunState::kForeign:
      break;
  }
  const bool is_model = fs::exists(run / "config.json", error);
  throw Error(fmt::format("{}: is {}no run directory (no experiment.toml){}", name, is_model ? "a model and " : "",
                          is_model ? fmt::format("; make a run of it: plugtune import {} --output RUN", name) : ""));
}

RunDirectory::RunDirectory(const fs::path& run, const ConfigNode& resolved, bool resume) : paths_(run) {
  const std::string name = run.string();
  const RunState state = run_state(run);
  if (state == RunState::kForeign)
    throw Error(fmt::format(
        "{}: is there already and is no run directory (no experiment.toml); choose another --output", name));
  if (state == RunState::kFinished && resume)
    throw Error(fmt::format("{}: is finished (it has a report.json), there is nothing to resume", name));
  if (state == RunState::kFinished)
    throw Error(fmt::format("{}: holds a finished run; choose another --output, or remove it", name));
  if (state == RunState::kStarted) lock();
  if (state == RunState::kStarted && !resume) {
    ::close(std::exchange(lock_, -1));
    throw Error(
        fmt::format("{}: holds a run that was started and not finished; go on with it by --resume, choose another "
                    "--output, or remove it",
                    name));
  }
  resumed_ = state == RunState::kStarted;
  if (resumed_) {
    check_same_experiment(paths_, resolved);
    formats::remove_leftovers_in(run);
    formats::remove_leftovers_in(paths_.checkpoints());
  } else {
    write_first(resolved);
    lock();
  }
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

void RunDirectory::write_first(const ConfigNode& resolved) const {
  formats::AtomicDirectory directory(paths_.root);
  directory.write(paths_.experiment().filename(), experiment_text(paths_.root, resolved));
  // Another process may have found no run here either, and been faster.
  if (!directory.commit_new()) throw_is_taken();
}  // which lets go of its own lock on the directory

void RunDirectory::lock() {
  lock_ = ::open(paths_.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Some file systems have no locks; a second writer there is the user's to avoid.
  if (lock_ >= 0 && ::flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(std::exchange(lock_, -1));
    throw_is_taken();
  }
}

void RunDirectory::throw_is_taken() const {
  throw Error(
      fmt::format("{}: another plugtune is training this run right now; wait for it, or choose another --output",
                  paths_.root.string()));
}

void check_same_experiment(const RunPaths& paths, const ConfigNode& resolved) {
  std::vector<std::string> problems = differences(read_toml(paths.experiment()), resolved);
  if (problems.empty()) return;
  const std::string file = paths.experiment().string();
  for (std::string& problem : problems)
    problem = fmt::format("{}: cannot be resumed with other settings, {}", file, problem);
  problems.back() += fmt::format("; resume with: plugtune train {} --output {} --resume", file, paths.root.string());
  throw Error(problems);
}

std::string experiment_text(const fs::path& run, const ConfigNode& resolved) {
  const std::string file = RunPaths(run).experiment().string();
  std::string text =
      fmt::format("# plugtune train {} --output <a new directory>: the same again, every default filled in\n{}", file,
                  write_toml(resolved));
  if (text::first_non_utf8(text) != text.npos)
    throw Error(file + ": a path or a name in it is not UTF-8, and it could not be read again; rename it");
  return text;
}

std::map<std::string, std::string> flat_values(const ConfigNode& tables) {
  std::map<std::string, std::string> values;
  flatten(tables, "", values);
  return values;
}

std::vector<std::string> differences(const ConfigNode& there, const ConfigNode& here) {
  const std::map<std::string, std::string> before = flat_values(there), now = flat_values(here);
  std::vector<std::string> found;
  for (const auto& [key, value] : before) {
    const auto other = now.find(key);
    const std::string got = other == now.end() ? "not given" : other->second;
    if (got != value && key != "run.threads") found.push_back(fmt::format("{}: {} there, {} here", key, value, got));
  }
  for (const auto& [key, value] : now) {
    if (before.count(key) == 0) found.push_back(fmt::format("{}: not given there, {} here", key, value));
  }
  return found;
}

}  // namespace plugtune::experiment
