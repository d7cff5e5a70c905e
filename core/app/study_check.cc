// study_check.cc - what plugins and data say of a study.
#include "app/study_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "app/data_check.h"
#include "app/gather.h"
#include "experiment/experiment.h"
#include "experiment/toml.h"
#include "formats/model_directory.h"
#include "plugin/loader.h"

namespace plugtune::app {
namespace {

using experiment::Experiment;
using study::Study;

bool starts_from_runs(const Study& study, size_t method, const Experiment& experiment) {
  return !study.methods[method].sources.empty() || !experiment.run.from.empty() ||
         std::ranges::any_of(experiment.strategies, [](const auto& strategy) { return !strategy.from.empty(); });
}

/// What a data set says of the tables that it reads. Most methods have the same: it is opened once for them all.
struct DataAnswer {
  std::vector<std::string> problems;
  std::optional<ConfigNode> table;
};
using DataAnswers = std::map<std::string, DataAnswer>;

const DataAnswer& ask_data(const Experiment& experiment, const plugin::SearchPath& search, DataAnswers& answers) {
  ConfigNode read{ConfigNode::Table{}};
  for (const char* name : {"data", "task", "eval"})
    if (const ConfigNode* table = experiment.tables.find(name)) read.set(name, *table);
  const auto [at, is_new] = answers.try_emplace(experiment::write_toml(read));
  if (!is_new) return at->second;
  Experiment alone = experiment;
  alone.problems.clear();
  gather(alone, [&] { at->second.table = check_data(alone, search); });
  at->second.problems = alone.problems;
  return at->second;
}

/// @param tables  filled in as far as it can be  -> the experiment's problems
std::vector<std::string> check_run(const Study& study, const study::RunKey& key, const plugin::SearchPath& search,
                                   DataAnswers& answers, study::PluginTables& tables) {
  Experiment experiment = experiment::experiment_of(
      study::run_tables(study, key, [](const std::string& name) { return "{" + name + "}"; }), study.file);
  if (!experiment.model.path.empty()) gather(experiment, [&] { formats::resolve_model(experiment.model.path); });
  if (!experiment.data.plugin.empty()) {
    const DataAnswer& data = ask_data(experiment, search, answers);
    tables.data = data.table;
    experiment.problems.insert(experiment.problems.end(), data.problems.begin(), data.problems.end());
  }
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

/// Of a source those of the methods that start from it.
std::vector<ConfigNode> sizes_of(const Study& study, size_t method) {
  if (!study.methods[method].is_source) return study.methods[method].sizes;
  std::vector<ConfigNode> sizes;
  for (size_t other = 0; other < study.methods.size(); ++other) {
    if (other == method || !std::ranges::count(study.methods[other].sources, method)) continue;
    const std::vector<ConfigNode> of_other = sizes_of(study, other);
    sizes.insert(sizes.end(), of_other.begin(), of_other.end());
  }
  return sizes;
}

std::vector<study::RunKey> keys_of(const Study& study, size_t method) {
  const auto& rates = study.methods[method].rates;
  const ConfigNode rate = rates.empty() ? ConfigNode{0.0} : rates.front();
  const std::vector<ConfigNode> sizes = sizes_of(study, method);
  ConfigNode largest = sizes.empty() ? study.sizes.front() : sizes.front();
  for (const ConfigNode& size : sizes)
    if (study::whole(size) > study::whole(largest)) largest = size;
  std::vector<study::RunKey> keys = {{method, false, largest, study.methods[method].seeds.front(), rate, 1}};
  if (study::has_search_runs(study, method))
    keys.push_back({method, true, study.search->size, study.search->seeds.front(), rate, 1});
  return keys;
}

}  // namespace

StudyCheck check_study(const Study& study, const plugin::SearchPath& search) {
  StudyCheck check;
  DataAnswers answers;
  check.plugins.resize(study.methods.size());
  std::vector<std::pair<std::string, std::set<size_t>>> found;  // each problem, and the methods that have it
  for (size_t method = 0; method < study.methods.size(); ++method) {
    for (const study::RunKey& key : keys_of(study, method)) {
      study::PluginTables tables;
      for (const std::string& problem : check_run(study, key, search, answers, tables)) {
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
