// data_choice.cc - data on a command line: what it replaces of an experiment's [data], and what stays.
#include "app/data_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/host_keys.h"
#include "experiment/overrides.h"
#include "plugin/search.h"
#include "plugtune/error.h"

namespace plugtune::app {
namespace {

constexpr const char* kOption = "--data";
const std::string kDataKey = "data.";

/// The name of a plugin that is given by name or by path.
std::string data_plugin_name(const ConfigNode* plugin) {
  const auto* given = plugin != nullptr ? std::get_if<std::string>(&plugin->value) : nullptr;
  if (given == nullptr) return "";
  return given->find('/') == std::string::npos ? *given : plugin::kind_and_name(*given).second;
}

/// "train_limit", "validation", "test_share": they say which rows of the experiment's own data are which split.
bool is_of_own_splits(const std::string& key) {
  if (key == "eval_limit") return true;
  return std::ranges::any_of(std::initializer_list<std::string>{"train", "validation", "test"},
                             [&](const std::string& split) { return key == split || key.starts_with(split + "_"); });
}

/// A setting that stays says where it stands, and what changes it: nobody should edit a finished run.
ConfigNode kept_setting(ConfigNode node, const std::string& key, const std::string& file) {
  node.file = fmt::format("{}:{}; change it with --set {}{}=VALUE", file, node.line, kDataKey, key);
  node.line = 0;
  return node;
}

/// What `--set data.KEY=VALUE` cannot say of a finished run; "" when there is no problem.
std::string setting_problem(const std::string& text) {
  if (!text.starts_with(kDataKey))
    return "must be of the data, --set data.KEY=VALUE: the rest of a finished run is settled";
  const std::string key = text.substr(kDataKey.size(), text.find('=') - kDataKey.size());
  if (key == "plugin") return "another data set is named with --data PLUGIN:PATH";
  if (key == "train_limit" || key == "eval_limit") return "is of training; all examples of the split are read";
  return "";
}

}  // namespace

ConfigNode data_table(const std::string& option) {
  const size_t colon = option.find(':');
  if (colon == std::string::npos)
    throw Error(fmt::format("--data: must be PLUGIN:PATH, such as table:reviews.csv, got '{}'", option));
  ConfigNode table{ConfigNode::Table{}, 0, kOption};
  table.set("plugin", {option.substr(0, colon), 0, kOption});
  table.set("path", {option.substr(colon + 1), 0, kOption});
  return table;
}

void replace_data(ConfigNode& tables, const std::string& file, const std::string& option) {
  ConfigNode table = data_table(option);
  const ConfigNode* own = tables.find("data");
  if (own != nullptr && std::holds_alternative<ConfigNode::Table>(own->value)) {
    const bool is_same_plugin = data_plugin_name(own->find("plugin")) == data_plugin_name(table.find("plugin"));
    for (const auto& [key, node] : std::get<ConfigNode::Table>(own->value)) {
      const bool is_host_key = std::ranges::find(experiment::kHostDataKeys, key) != std::end(experiment::kHostDataKeys);
      if (table.find(key) == nullptr && !is_of_own_splits(key) && (is_host_key || is_same_plugin))
        table.set(key, kept_setting(node, key, file));
    }
  }
  tables.set("data", std::move(table));
}

void choose_data(ConfigNode& tables, const std::string& file, const DataChoice& choice) {
  if (!choice.data.empty()) replace_data(tables, file, choice.data);
  for (const std::string& text : choice.settings) {
    const std::string problem = setting_problem(text);
    if (!problem.empty()) throw Error(fmt::format("--set {}: {}", text, problem));
    experiment::apply_override(tables, text);
  }
}

}  // namespace plugtune::app
