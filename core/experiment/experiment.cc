// experiment.cc - what an experiment knows of itself: problems with their place, views for plugins, the resolved
// tables.
#include "experiment/experiment.h"

#include <fmt/format.h>

#include "experiment/host_keys.h"
#include "experiment/overrides.h"
#include "plugtune/error.h"

namespace plugtune::experiment {

namespace {

const char* name_of(TrainPooler choice) {
  return choice == TrainPooler::kYes ? "yes" : choice == TrainPooler::kNo ? "no" : "auto";
}

/// A table of `tables` to write to; made when it is not there.
ConfigNode& table_of(ConfigNode& tables, const std::string& name) {
  const ConfigNode* existing = tables.find(name);
  return tables.set(name, existing != nullptr ? *existing : ConfigNode{ConfigNode::Table{}});
}

void append(ConfigNode& table, const ConfigNode& more) {
  for (const auto& [key, value] : std::get<ConfigNode::Table>(more.value))
    table.set(key, value);
}

/// Keys that only some kinds of task have.
void fill_in_task(ConfigNode& table, const TaskSettings& task) {
  if (task.kind != "masked-lm") {
    table.set("train_pooler", {std::string(name_of(task.train_pooler))});
    return;
  }
  std::erase_if(std::get<ConfigNode::Table>(table.value),
                [](const auto& entry) { return entry.first == "train_pooler"; });
  if (task.next_sentence) table.set("train_pooler", {std::string(name_of(task.train_pooler))});
  table.set("mask_probability", {task.mask_probability});
  table.set("whole_words", {task.whole_words});
  table.set("train_head", {std::string(name_of(task.train_head))});
  table.set("next_sentence", {task.next_sentence});
}

/// Values that were "auto" or 0 in the file, as what they came to.
void fill_in_settled(ConfigNode& tables, const Experiment& experiment) {
  const train::TrainSettings& train = experiment.train;
  table_of(tables, "run").set("threads", {int64_t{train.threads}});
  table_of(tables, "task").set("kind", {experiment.task.kind});
  fill_in_task(table_of(tables, "task"), experiment.task);
  table_of(tables, "train").set("micro_batch_tokens", {train.micro_batch_tokens});
  table_of(tables, "train")
      .set("precision", {std::string(train.precision == train::Precision::kBf16 ? "bf16" : "fp32")});
  table_of(tables, "train").set("device", {train.device});
  table_of(tables, "eval").set("metric", {experiment.eval.metric});
  if (experiment.eval_choices.split != "none") table_of(tables, "eval").set("split", {experiment.eval_choices.split});
  table_of(tables, "eval").set("keep", {experiment.eval_choices.keep});
}

}  // namespace

void Experiment::problem(const std::string& key, const std::string& text) {
  const std::string origin = origin_of(*this, key);
  problems.push_back(fmt::format("{}: {} ({})", key, text, origin == "default" ? file : origin));
}

void Experiment::add_problems(const Error& error) {
  problems.insert(problems.end(), error.problems().begin(), error.problems().end());
}

void Experiment::throw_if_problems() const {
  if (!problems.empty()) throw Error(problems);
}

bool take_strategies(Experiment& experiment, size_t index, const std::vector<SourceRun::Method>& methods) {
  const StrategySettings taken = experiment.strategies.at(index);
  const bool names_plugin = !taken.plugin.empty();
  std::vector<std::string> names;
  for (const SourceRun::Method& method : methods)
    names.push_back("'" + method.name + "'");
  // A path is the file to load it from; which strategy that is shows when it is loaded.
  const bool is_path = taken.plugin.find('/') != std::string::npos;
  if (names_plugin && (methods.size() != 1 || (!is_path && taken.plugin != methods.front().name))) {
    experiment.problem(taken.subject + ".plugin",
                       fmt::format("must be left out or what {} was tuned with, {}, got \"{}\"", taken.from,
                                   join(names, " + "), taken.plugin));
    return false;
  }
  std::vector<StrategySettings> parts;
  for (size_t part = 0; part < methods.size(); ++part) {
    StrategySettings own = taken;
    if (!names_plugin) own.plugin = methods[part].name;
    own.settings = methods[part].settings;
    own.subject = taken.from + (methods.size() == 1 ? ": strategy" : fmt::format(": strategy[{}]", part));
    own.part = part;
    parts.push_back(std::move(own));
  }
  const auto at = experiment.strategies.erase(experiment.strategies.begin() + static_cast<std::ptrdiff_t>(index));
  experiment.strategies.insert(at, parts.begin(), parts.end());
  return true;
}

ConfigView dataset_view(const Experiment& experiment) {
  const ConfigNode* given = experiment.tables.find("data");
  const ConfigNode table = given != nullptr ? *given : ConfigNode{ConfigNode::Table{}};
  // What a table lacks is told of where it is from: a whole [data] may stand on the command line.
  ConfigView view(table, {"data", "[data]", table.file.empty() ? experiment.file : table.file, {}});
  // One table, two readers: the plugin's list of keys is to include ours, or a slip in ours would get no hint.
  for (const char* key : kHostDataKeys)
    view.has(key);
  return view;
}

ConfigView strategy_view(const Experiment& experiment, size_t index, OpenRun open_run) {
  const StrategySettings& strategy = experiment.strategies.at(index);
  return ConfigView(strategy.settings,
                    {strategy.subject, "strategy '" + strategy.plugin + "'", experiment.file, std::move(open_run)});
}

ConfigNode resolved(const Experiment& experiment, const ConfigNode& dataset,
                    const std::vector<ConfigNode>& strategies) {
  ConfigNode tables = experiment.host_tables;
  append(table_of(tables, "data"), dataset);
  ConfigNode::Array list;
  for (size_t i = 0; i < experiment.strategies.size(); ++i) {
    const StrategySettings& strategy = experiment.strategies[i];
    if (!strategy.from.empty()) {
      if (strategy.part == 0) list.push_back(strategy.table);
      continue;
    }
    ConfigNode table{ConfigNode::Table{}};
    table.set("plugin", {strategy.plugin});
    append(table, strategies.at(i));
    list.push_back(std::move(table));
  }
  tables.set("strategy", list.size() == 1 ? list[0] : ConfigNode{std::move(list)});
  fill_in_settled(tables, experiment);
  return tables;
}

std::string origin_of(const Experiment& experiment, const std::string& key) {
  const ConfigNode* node = find_key(experiment.tables, key);
  if (node == nullptr) return "default";
  if (!node->file.empty()) return node->file;
  return node->line > 0 ? fmt::format("{}:{}", experiment.file, node->line) : experiment.file;
}

}  // namespace plugtune::experiment
