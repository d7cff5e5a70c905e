// run_tables.cc - the experiment of one run of a study.
#include "study/run_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiment/experiment.h"
#include "experiment/host_keys.h"
#include "experiment/toml.h"
#include "study/placeholders.h"

namespace plugtune::study {
namespace {

ConfigNode& table_in(ConfigNode& tables, const std::string& name) {
  const ConfigNode* there = tables.find(name);
  return tables.set(name, there != nullptr ? *there : ConfigNode{ConfigNode::Table{}});
}

void remove(ConfigNode& table, const std::string& key) {
  std::erase_if(std::get<ConfigNode::Table>(table.value), [&](const auto& entry) { return entry.first == key; });
}

/// Steps and epochs exclude each other: the one that is laid over goes before the one that was there.
void set_in(ConfigNode& table, const std::string& key, const ConfigNode& value) {
  if (key == "steps") remove(table, "epochs");
  if (key == "epochs") remove(table, "steps");
  table.set(key, value);
}

/// Another data set does not know the keys of the one that was there: of these the host's own stay.
void change_data_set(ConfigNode& table, const ConfigNode& own) {
  const ConfigNode *before = table.find("plugin"), *after = own.find("plugin");
  if (before == nullptr || after == nullptr ||
      experiment::write_toml_value(*before) == experiment::write_toml_value(*after))
    return;
  std::erase_if(std::get<ConfigNode::Table>(table.value), [](const auto& entry) {
    return std::ranges::find(experiment::kHostDataKeys, entry.first) == std::end(experiment::kHostDataKeys);
  });
}

void lay_over(ConfigNode& tables, const ConfigNode::Table& over) {
  for (const auto& [name, own] : over) {
    ConfigNode& table = table_in(tables, name);
    if (name == "data") change_data_set(table, own);
    for (const auto& [key, value] : std::get<ConfigNode::Table>(own.value))
      set_in(table, key, value);
  }
}

void set_search_length(const Search& search, ConfigNode& train) {
  if (search.epochs) set_in(train, "epochs", *search.epochs);
  if (search.steps) set_in(train, "steps", *search.steps);
}

void shorten(ConfigNode& tables, const std::string& file, int64_t shorter) {
  if (shorter == 1) return;
  const train::TrainSettings full = experiment::experiment_of(tables, file).train;
  ConfigNode& train = table_in(tables, "train");
  if (full.steps > 0)
    train.set("steps", {(full.steps + shorter - 1) / shorter});
  else
    train.set("epochs", {full.epochs / static_cast<double>(shorter)});
}

}  // namespace

bool RunKey::operator==(const RunKey& other) const {
  return method == other.method && is_search == other.is_search && whole(size) == whole(other.size) &&
         seed == other.seed && real(rate) == real(other.rate) && shorter == other.shorter;
}

std::string run_id(const Study& study, const RunKey& key) {
  const Method& method = study.methods[key.method];
  if (method.once) return "sources/" + method.name;
  if (!key.is_search) {
    return fmt::format("{}/{}-n{}-seed{}", method.is_source ? "sources" : "runs", method.name,
                       size_text(whole(key.size)), key.seed);
  }
  const std::string rate = real(key.rate) > 0 ? "-rate" + rate_text(real(key.rate)) : "";
  const std::string part = key.shorter > 1 ? fmt::format("-part{}", key.shorter) : "";
  return fmt::format("search/{}{}-seed{}{}", method.name, rate, key.seed, part);
}

ConfigNode run_tables(const Study& study, const RunKey& key,
                      const std::function<std::string(const std::string& name)>& path_of) {
  const Method& method = study.methods[key.method];
  ConfigNode tables{ConfigNode::Table{}};
  ConfigNode& run = table_in(tables, "run");
  run.set("name", {std::filesystem::path(run_id(study, key)).filename().string()});
  run.set("seed", {key.seed});
  const ConfigNode from = with_placeholders_filled(method.from, path_of);
  if (!std::get<std::string>(from.value).empty()) run.set("from", from);
  for (const char* name : {"model", "data"})
    table_in(tables, name);
  lay_over(tables, study.base);
  lay_over(tables, method.overrides);
  if (!method.once) table_in(tables, "data").set("train_limit", key.size);
  const bool has_strategy = !std::holds_alternative<ConfigNode::Table>(method.strategy.value) ||
                            !std::get<ConfigNode::Table>(method.strategy.value).empty();
  if (has_strategy) tables.set("strategy", with_placeholders_filled(method.strategy, path_of));
  ConfigNode& train = table_in(tables, "train");
  if (real(key.rate) > 0) train.set("learning_rate", key.rate);
  if (!key.is_search) return tables;
  set_search_length(*study.search, train);
  shorten(tables, study.file, key.shorter);
  ConfigNode& eval = table_in(tables, "eval");
  eval.set("split", {std::string("validation")});
  if (std::get<std::string>(study.search->metric.value) != "auto") eval.set("metric", study.search->metric);
  eval.set("test", {false});  // what chooses a rate must not see the test split
  return tables;
}

bool has_search(const Study& study, size_t method) { return study.methods[method].rates.size() > 1; }

bool has_search_runs(const Study& study, size_t method) {
  if (study.methods[method].once) return false;
  if (has_search(study, method)) return true;
  for (size_t other = 0; other < study.methods.size(); ++other)
    if (std::ranges::find(study.methods[other].sources, method) != study.methods[other].sources.end() &&
        other != method && has_search_runs(study, other))
      return true;
  return false;
}

}  // namespace plugtune::study
