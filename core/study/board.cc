// board.cc - what the disk has of a study's runs.
#include "study/board.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiment/experiment.h"
#include "experiment/run_directory.h"
#include "experiment/toml.h"
#include "formats/strict_json.h"

namespace plugtune::study {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOpenKeys[] = {"run.threads", "train.micro_batch_tokens"};  // the machine's, not the study's

bool starts_with_any(const std::string& key, std::initializer_list<const char*> prefixes) {
  return std::ranges::any_of(prefixes, [&](const char* prefix) { return key.starts_with(prefix); });
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string first_lines(const fs::path& file) {
  std::string text = formats::read_text(file);
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text.empty() ? "failed without a word" : text;
}

}  // namespace

std::vector<std::string> differences_from_plan(const ConfigNode& planned, const ConfigNode& there,
                                               const PluginTables& plugins) {
  experiment::Experiment experiment = experiment::experiment_of(planned, "study");
  std::vector<ConfigNode> strategies;
  for (const auto& strategy : experiment.strategies)
    strategies.push_back(strategy.settings);
  const bool knows_strategies = plugins.strategies && plugins.strategies->size() == strategies.size();
  ConfigNode expected = experiment::resolved(experiment, plugins.data.value_or(*planned.find("data")),
                                             knows_strategies ? *plugins.strategies : strategies);
  const auto want = experiment::flat_values(expected), given = experiment::flat_values(planned),
             got = experiment::flat_values(there);
  std::vector<std::string> found;
  for (const auto& [key, value] : want) {
    if (value == "\"auto\"" || std::ranges::find(kOpenKeys, key) != std::end(kOpenKeys)) continue;
    const auto other = got.find(key);
    // A default of a key that came into being after that run is what the run had without it.
    if (other == got.end() && !given.contains(key)) continue;
    if (other == got.end() || other->second != value)
      found.push_back(
          fmt::format("{}: {} there, {} here", key, other == got.end() ? "not given" : other->second, value));
  }
  for (const auto& [key, value] : got) {
    const bool is_settled_later = starts_with_any(key, {"task.", "eval.split"});
    const bool is_unknown =
        (key.starts_with("data.") && !plugins.data) || (key.starts_with("strategy") && !knows_strategies);
    if (!want.contains(key) && !is_settled_later && !is_unknown)
      found.push_back(fmt::format("{}: {} there, not given here", key, value));
  }
  return found;
}

Board::Board(const Study& study, std::vector<PluginTables> plugins) : study_(study), plugins_(std::move(plugins)) {
  plugins_.resize(study_.methods.size());
}

void Board::check_settings(const PlannedRun& run, const ConfigNode& there, const Plan& plan) const {
  const std::vector<std::string> found = differences_from_plan(run.tables, there, plugins_[run.key.method]);
  if (found.empty()) return;
  const std::vector<std::string> after = started_from(run.id, plan);
  throw Error(fmt::format("{}: was run with other settings, {}; remove it{}, or give the study another study.directory",
                          directory(run.id).string(), join(found),
                          after.empty() ? "" : fmt::format(" and what started from it ({})", join(after))));
}

std::vector<std::string> Board::started_from(const std::string& id, const Plan& plan) const {
  std::set<std::string> all = {id};
  std::vector<std::string> there;
  for (const PlannedRun& run : plan.runs) {
    if (std::ranges::none_of(run.sources, [&](const std::string& source) { return all.contains(source); })) continue;
    all.insert(run.id);
    const experiment::RunPaths paths(directory(run.id));
    if (is_there(paths.report()) || is_there(paths.experiment())) there.push_back(run.id);
  }
  return there;
}

Status Board::read(const PlannedRun& run, const Plan& plan) const {
  const experiment::RunPaths paths(directory(run.id));
  Status status;
  if (is_there(paths.report())) {
    status.report = report::read_report(paths.report());
    check_settings(run, status.report->experiment, plan);
    status.phase = Phase::kFinished;
    status.has_delta = is_there(paths.delta_info()) && is_there(paths.delta_tensors());
  } else if (is_there(paths.experiment())) {
    check_settings(run, experiment::read_toml(paths.experiment()), plan);
    status.phase = Phase::kStarted;
  }
  if (status.phase != Phase::kFinished && is_there(error_file(run.id))) {
    status.phase = Phase::kFailed;
    status.error = first_lines(error_file(run.id));
  }
  return status;
}

void Board::look(const Plan& plan) {
  std::vector<std::string> problems;
  for (const PlannedRun& run : plan.runs) {
    const std::string planned = experiment::write_toml(run.tables);
    const auto known = planned_.find(run.id);
    if (known != planned_.end() && known->second == planned) continue;
    try {
      statuses_[run.id] = read(run, plan);
      planned_[run.id] = planned;
    } catch (const Error& error) {
      problems.insert(problems.end(), error.problems().begin(), error.problems().end());
    }
  }
  if (!problems.empty()) throw Error(problems);
}

void Board::refresh(const PlannedRun& run, const Plan& plan) {
  statuses_[run.id] = read(run, plan);
  planned_[run.id] = experiment::write_toml(run.tables);
}

const Status& Board::status(const std::string& id) const {
  static const Status kNotThere;
  const auto at = statuses_.find(id);
  return at == statuses_.end() ? kNotThere : at->second;
}

std::optional<double> Board::search_value(const std::string& id, const std::string& metric) const {
  const Status& run = status(id);
  if (run.phase == Phase::kFailed) return NAN;
  if (run.phase != Phase::kFinished) return std::nullopt;
  for (const auto& [name, value] : run.report->final_metrics().values)
    if (name == metric) return value;
  return NAN;
}

Work work_of(const Study& study, const Plan& plan, const Board& board) {
  Work work;
  std::set<std::string> wanted;
  for (size_t i = plan.runs.size(); i-- > 0;) {
    const PlannedRun& run = plan.runs[i];
    const Status& status = board.status(run.id);
    const bool is_wanted = wanted.contains(run.id);
    const bool is_done = status.phase == Phase::kFinished && (status.has_delta || !is_wanted);
    const bool is_due = !is_done && (is_wanted || (!run.is_helper && status.phase != Phase::kFinished));
    if (!is_due) continue;
    if (status.phase != Phase::kFailed) work.to_train.push_back(&run);
    wanted.insert(run.sources.begin(), run.sources.end());
  }
  std::ranges::reverse(work.to_train);
  work.kept = wanted;
  for (const PlannedRun& run : plan.runs) {
    for (size_t other = 0; other < study.methods.size(); ++other) {
      const auto& sources = study.methods[other].sources;
      const bool may_start_from_it =
          !plan.choices[other].rate && std::ranges::find(sources, run.key.method) != sources.end();
      if (may_start_from_it) work.kept.insert(run.id);
    }
  }
  return work;
}

}  // namespace plugtune::study
