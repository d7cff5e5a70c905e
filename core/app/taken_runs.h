#pragma once
// taken_runs.h - strategies that come, with their values, from finished runs: [[strategy]] from = "runs/lang".

#include <string>
#include <vector>

#include "app/session.h"
#include "formats/named_tensors.h"
#include "train/composed_delta.h"

namespace plugtune::app {

/// Where the strategies of a taken run stand, and their values.
struct TakenStrategies {
  std::string run, subject;
  train::StrategyRange range;
  formats::NamedTensors tensors;
};

/// Opens a finished run to take its strategies. Throws Error: no finished run, damaged, or tuned on another base than the session's.
TakenRun take_finished_run(const Session& session, const std::string& run);

/// Puts the strategies of every run that the experiment takes from in its list, and remembers the runs in session.sources.
/// Notes problems in the experiment.
std::vector<TakenStrategies> expand_strategies(Session& session, const TakeRun& take);

/// Throws Error when the plugin that was loaded for a taken strategy is not the one that its run was tuned with.
void check_is_taken(const Session& session, size_t strategy, const std::string& plugin);

/// What opens the runs that strategies[strategy] starts from: `open_source`, but of a taken one those that its own run remembers,
/// since its values are in that run's delta.
experiment::OpenRun open_source_of(const Session& session, size_t strategy, const experiment::OpenRun& open_source);

/// Gives the patches of the taken strategies, applied by now, their values. The head's are left out, whatever task it was for.
/// Throws Error for a run that trained weights of the base, and listing patches' tensors that are missing, too many, or of another shape.
void load_taken(Session& session, const std::vector<TakenStrategies>& taken);

/// Adds a run to session.sources; once, although a strategy is taken from it and another one starts from it.
void remember_source(Session& session, const experiment::DeltaInfo::Source& source);

}  // namespace plugtune::app
