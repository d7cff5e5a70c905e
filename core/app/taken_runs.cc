// taken_runs.cc - opening the runs that strategies are taken from, and their values.
#include "app/taken_runs.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/run_directory.h"
#include "formats/bert_weights.h"
#include "formats/safetensors.h"
#include "plugtune/error.h"
#include "train/delta.h"

namespace plugtune::app {
namespace {

using experiment::DeltaInfo;
using formats::NamedTensors;

/// Whether a delta key is of the head, of any task's: its weights, or a patch on them.
bool is_of_any_head(const std::string& key) {
  if (key == "pooler.dense.weight" || key == "pooler.dense.bias") return true;
  return key.starts_with("classifier.") || key.starts_with("cls.") || key.starts_with("head.");
}

void check_base_is_untouched(const Session& session, const TakenStrategies& taken) {
  std::vector<std::string> names;
  for (const std::string& name : session.model().trained_base()) {
    const auto owner = session.methods.composed().owner(name);
    if (owner && taken.range.has(*owner)) names.push_back(name);
  }
  if (names.empty()) return;
  throw Error(
      fmt::format("{}.from: {} trained weights of the base itself ({}), and only patches can be taken; plugtune merge "
                  "{} makes a base "
                  "of it",
                  taken.subject, taken.run, join(formats::fold_layers(names)), taken.run));
}

/// The model's tensors of the taken strategies' patches, by the keys of this run.
NamedTensors targets_of(const Session& session, const TakenStrategies& taken) {
  NamedTensors targets;
  for (const auto& [key, tensor] : train::collect_delta(session.model())) {
    const auto owner = session.methods.composed().owner(key);
    if (owner && taken.range.has(*owner)) targets.emplace(key, tensor);
  }
  return targets;
}

}  // namespace

TakenRun take_finished_run(const Session& session, const std::string& run) {
  const experiment::RunPaths paths = experiment::finished_run(run);
  const DeltaInfo info = experiment::read_delta_info(paths.delta_info());
  // Without a fingerprint the base was not opened: `plugtune config`, or it cannot be, which is told already.
  if (!session.opened.fingerprint.empty()) check_base_of_start(session, "", run, info);
  TakenRun taken{{run, info.run, info.strategies, {}, info.sources}};
  taken.tensors = formats::SafetensorsFile::open(paths.delta_tensors()).tensors();
  for (const auto& [key, tensor] : taken.tensors)
    taken.source.tensors.emplace_back(key, tensor.sizes().vec());
  return taken;
}

void remember_source(Session& session, const DeltaInfo::Source& source) {
  const auto known = std::ranges::find(session.sources, source.path, &DeltaInfo::Source::path);
  if (known == session.sources.end()) {
    session.sources.push_back(source);
  } else if (known->sources.empty()) {
    known->sources = source.sources;
  }
}

std::vector<TakenStrategies> expand_strategies(Session& session, const TakeRun& take) {
  std::vector<TakenStrategies> all;
  experiment::Experiment& file = session.experiment;
  for (size_t i = 0; i < file.strategies.size();) {
    const experiment::StrategySettings entry = file.strategies[i];
    if (entry.from.empty()) {
      ++i;
      continue;
    }
    size_t count = 0;
    try {
      TakenRun run = take(entry.from);
      if (experiment::take_strategies(file, i, run.source.methods)) {
        count = run.source.methods.size();
        remember_source(session, run.source);
        all.push_back({entry.from, entry.subject, {i, count}, std::move(run.tensors)});
      }
    } catch (const Error& error) {
      file.problem(entry.subject + ".from", error.what());
    }
    if (count == 0) file.strategies[i].plugin.clear();  // none to make; what is wrong is noted
    i += std::max<size_t>(count, 1);
  }
  return all;
}

void check_is_taken(const Session& session, size_t strategy, const std::string& plugin) {
  const experiment::StrategySettings& taken = session.experiment.strategies[strategy];
  if (taken.from.empty()) return;
  const auto source = std::ranges::find(session.sources, taken.from, &DeltaInfo::Source::path);
  const std::string& name = source->methods.at(taken.part).name;
  if (plugin == name) return;
  throw Error(fmt::format("{}: was tuned with '{}', and {} is '{}'", taken.subject, name, taken.plugin, plugin));
}

experiment::OpenRun open_source_of(const Session& session, size_t strategy, const experiment::OpenRun& open_source) {
  const std::string& from = session.experiment.strategies[strategy].from;
  const auto taken = std::ranges::find(session.sources, from, &DeltaInfo::Source::path);
  if (from.empty() || taken == session.sources.end()) return open_source;
  return [source = *taken](const std::string& run) { return experiment::placeholder(source.source(run)); };
}

void load_taken(Session& session, const std::vector<TakenStrategies>& all) {
  torch::NoGradGuard no_grad;
  for (const TakenStrategies& taken : all) {
    if (taken.tensors.empty()) continue;
    check_base_is_untouched(session, taken);
    const NamedTensors targets = targets_of(session, taken);
    NamedTensors values = session.methods.composed().here(taken.tensors, taken.range);
    std::erase_if(values,
                  [&](const auto& entry) { return !targets.contains(entry.first) && is_of_any_head(entry.first); });
    train::copy_tensors(targets, values, taken.run);
  }
}

}  // namespace plugtune::app
