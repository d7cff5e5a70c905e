// study_check.cc - what plugins and data say of a study.
#include "app/study_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "app/data_check.h"
#include "experiment/experiment.h"
#include "formats/model_directory.h"
#include "plugin/loader.h"

namespace plugtune::app {
namespace {

using experiment::Experiment;
using study::Study;

template <class Step>
void gather(Experiment& experiment, const Step& step) {
  try {
    step();
  } catch (const Error& error) {
    experiment.add_problems(error);
  }
}

bool starts_from_runs(const Study& study, size_t method, const Experiment& experiment) {
  return !study.methods[method].sources.empty() || !experiment.run.from.empty() ||
         std::ranges::any_of(experiment.strategies, [](const auto& strategy) { return !strategy.from.empty(); });
}

/// @param tables  filled in as far as it can be  -> the experiment's problems
std::vector<std::string> check_run(const Study& study, const study::RunKey& key, const plugin::SearchPath& search,
                                   study::PluginTables& tables) {
  Experiment experiment = experiment::experiment_of(
      study::run_tables(study, key, [](const std::string& name) { return "{" + name + "}"; }), study.file);
  if (!experiment.model.path.empty()) gather(experiment, [&] { formats::resolve_model(experiment.model.path); });
  if (!experiment.data.plugin.empty()) gather(experiment, [&] { tables.data = check_data(experiment, search); });
  if (starts_from_runs(study, key.method, experiment)) return experiment.problems;
  std::vector<ConfigNode> resolved;
  for (size_t i = 0; i < experiment.strategies.size(); ++i) {
    const std::string plugin = experiment.strategies[i].plugin;
    if (plugin.empty()) continue;  // a problem already
    gather(experiment, [&] {
      const ConfigView view = experiment::strategy_view(experiment, i, {});
      plugin::load(plugin::Kind::kStrategy, plugin, search).create_strategy(view);
      resolved.push_back(view.resolved());
    });
  }
  if (resolved.size() == experiment.strategies.size()) tables.strategies = std::move(resolved);
  return experiment.problems;
}

std::vector<study::RunKey> keys_of(const Study& study, size_t method) {
  const auto& rates = study.methods[method].rates;
  const ConfigNode rate = rates.empty() ? ConfigNode{0.0} : rates.front();
  ConfigNode largest = study.sizes.front();
  for (const ConfigNode& size : study.sizes)
    if (study::whole(size) > study::whole(largest)) largest = size;
  std::vector<study::RunKey> keys = {{method, false, largest, study.seeds.front(), rate, 1}};
  if (study::has_search_runs(study, method))
    keys.push_back({method, true, study.search->size, study.search->seeds.front(), rate, 1});
  return keys;
}

}  // namespace

StudyCheck check_study(const Study& study, const plugin::SearchPath& search) {
  StudyCheck check;
  check.plugins.resize(study.methods.size());
  std::vector<std::pair<std::string, std::set<size_t>>> found;  // each problem, and the methods that have it
  for (size_t method = 0; method < study.methods.size(); ++method) {
    for (const study::RunKey& key : keys_of(study, method)) {
      study::PluginTables tables;
      for (const std::string& problem : check_run(study, key, search, tables)) {
        auto at = std::ranges::find(found, problem, [](const auto& entry) { return entry.first; });
        if (at == found.end()) at = found.insert(found.end(), {problem, {}});
        at->second.insert(method);
      }
      if (!key.is_search) check.plugins[method] = std::move(tables);
    }
  }
  for (const auto& [problem, methods] : found) {
    const bool is_common = methods.size() > 1 || study.methods.size() == 1;
    check.problems.push_back(is_common ? problem
                                       : fmt::format("method '{}': {}", study.methods[*methods.begin()].name, problem));
  }
  return check;
}

}  // namespace plugtune::app
