// peft_modules.cc - peft's matching of module names and numbers, and the names that mean given sites.
#include "plugtune/blocks/peft_modules.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <regex>
#include <set>

namespace plugtune {
inline namespace v1 {
namespace {

constexpr const char* kRoot = "bert.";
constexpr size_t kLongestShown = 200;
constexpr size_t kLongestRegex = 2000;  // the library's matcher calls itself for each bracket
constexpr const char* kAllLinear = "all-linear";
constexpr const char* kBothOutputs = "output.dense";  // of the attention and of the feed-forward

std::string module_of(const std::string& path) { return kRoot + path; }

/// Of a model with a head or of a bare encoder.
bool regex_matches(const std::string& path, const std::string& expression) {
  const std::regex regex(expression);
  return std::regex_match(module_of(path), regex) || std::regex_match(path, regex);
}

/// The number behind the first of `patterns` that fits, or the first number of the name.
std::optional<int64_t> layer_of(const std::string& module, const std::vector<std::string>& patterns) {
  const std::vector<std::string> any = {"[^.]*"};
  for (const std::string& pattern : patterns.empty() ? any : patterns) {
    std::smatch found;
    const std::regex before(R"((?:^|.*?\.)(?:)" + pattern + R"()\.(\d+)\..*)");
    if (std::regex_match(module, found, before)) return std::stoll(found[found.size() - 1].str());
  }
  return std::nullopt;
}

void check_readable(const ConfigView& view, const std::string& key, const std::vector<std::string>& expressions) {
  for (const std::string& expression : expressions) {
    if (is_readable(expression)) continue;
    std::string shown = expression;
    if (shown.size() > kLongestShown) shown.replace(kLongestShown, shown.npos, "...");
    view.problem(key, "'" + shown + "' is a regular expression that only Python reads");
  }
}

/// Every linear layer but the head. The library replaces the word by names before it saves; its users need not.
void replace_shorthand(ModuleNames& targets, const std::vector<BertSite>& sites) {
  std::string lower = targets.regex;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower != kAllLinear) return;
  targets.regex.clear();
  for (const BertSite& site : sites)
    if (site.info.role != Role::kWordEmbeddings) targets.list.push_back(module_of(site.info.path));
}

std::map<Role, int64_t> counts_of(const std::vector<BertSite>& sites) {
  std::map<Role, int64_t> counts;
  for (const BertSite& site : sites)
    ++counts[site.info.role];
  return counts;
}

}  // namespace

bool ModuleNames::match(const std::string& path) const {
  if (!regex.empty()) return regex_matches(path, regex);
  const std::string module = module_of(path);
  return std::ranges::any_of(list,
                             [&](const std::string& end) { return module == end || module.ends_with("." + end); });
}

bool ModuleNames::match_loosely(const std::string& path) const {
  if (!regex.empty()) return regex_matches(path, regex);
  const std::string module = module_of(path);
  return std::ranges::any_of(list, [&](const std::string& end) { return module.ends_with(end); });
}

ModuleNames read_module_names(const ConfigView& view, const ConfigNode& config, const std::string& key,
                              bool may_be_of_python) {
  ModuleNames names{.list = view.strings(key, {}), .regex = ""};
  const ConfigNode* node = config.find(key);
  if (node == nullptr || !std::holds_alternative<std::string>(node->value) || names.list.empty()) return names;
  names = {.list = {}, .regex = names.list.front()};
  if (!may_be_of_python) check_readable(view, key, {names.regex});
  return names;
}

bool PeftModules::choose(const SiteInfo& site) const {
  if (!exclude.empty() && exclude.match(site.path)) return false;
  for (const std::string& saved : modules_to_save)
    if (regex_matches(site.path, "(.*\\.)?" + saved + "(\\..*)?")) return false;
  if (!targets.match(site.path)) return false;
  const std::string module = module_of(site.path);
  const bool is_named_whole = std::ranges::find(targets.list, module) != targets.list.end();
  if (!targets.regex.empty() || is_named_whole || layers.empty()) return true;
  const std::optional<int64_t> layer = layer_of(module, layers_pattern);
  return layer && std::ranges::find(layers, *layer) != layers.end();
}

PeftModules read_peft_modules(const ConfigView& view, const ConfigNode& config, const std::vector<BertSite>& sites) {
  PeftModules modules;
  if (!view.has("target_modules")) view.problem("target_modules", "is required");
  modules.targets = read_module_names(view, config, "target_modules", /*may_be_of_python=*/true);
  replace_shorthand(modules.targets, sites);
  modules.exclude = read_module_names(view, config, "exclude_modules");
  modules.layers = view.integers("layers_to_transform", {}, /*min=*/0);
  modules.layers_pattern = view.strings("layers_pattern", {});
  modules.modules_to_save = view.strings("modules_to_save", {});
  check_readable(view, "layers_pattern", modules.layers_pattern);
  check_readable(view, "modules_to_save", modules.modules_to_save);
  return modules;
}

std::vector<BertSite> chosen_sites(const PeftModules& modules, const std::vector<BertSite>& sites,
                                   const ForeignTensors& tensors, const std::vector<std::string>& marks,
                                   const ConfigView& view, std::vector<std::string>& notes) {
  const bool is_known = modules.targets.regex.empty() || is_readable(modules.targets.regex);
  if (!is_known) {
    notes.emplace_back(
        "target_modules is a regular expression that only Python reads; the layers are those that the file "
        "holds tensors of");
  }
  std::vector<BertSite> chosen;
  for (const BertSite& site : sites) {
    const bool has_tensors =
        std::ranges::any_of(marks, [&](const std::string& mark) { return tensors.has(site.info.path + mark); });
    if (is_known ? modules.choose(site.info) : has_tensors) chosen.push_back(site);
  }
  if (chosen.empty()) {
    const bool may_be_words = sites.front().info.role == Role::kWordEmbeddings;
    throw view.error("target_modules", std::string("names no linear layer ") +
                                           (may_be_words ? "and no word embedding " : "") + "of BERT");
  }
  return chosen;
}

std::string peft_end(Role role) {
  switch (role) {
    case Role::kQuery:
      return "query";
    case Role::kKey:
      return "key";
    case Role::kValue:
      return "value";
    case Role::kAttentionOutput:
      return "attention.output.dense";
    case Role::kFfnUp:
      return "intermediate.dense";
    case Role::kPooler:
      return "pooler.dense";
    case Role::kWordEmbeddings:
      return "word_embeddings";
    default:
      return "";
  }
}

std::vector<std::string> peft_names(const std::vector<BertSite>& chosen, const ModelInfo& model) {
  std::map<Role, int64_t> here = counts_of(chosen), all = counts_of(bert_sites(model));
  const auto is_whole = [&](Role role) { return here[role] == all[role]; };
  const bool share_end = is_whole(Role::kAttentionOutput) && is_whole(Role::kFfnDown);
  std::set<std::string> names;
  for (const BertSite& site : chosen) {
    const Role role = site.info.role;
    const bool is_output = role == Role::kAttentionOutput || role == Role::kFfnDown;
    const std::string end = is_output && share_end ? kBothOutputs : is_whole(role) ? peft_end(role) : "";
    names.insert(end.empty() ? site.info.path : end);
  }
  return {names.begin(), names.end()};
}

std::vector<BertSite> linears_of(const MethodDelta& delta, const Selector& targets, const std::string& method,
                                 const ModelInfo& model) {
  std::vector<BertSite> chosen;
  for (const BertSite& site : bert_linears(model))
    if (targets.matches(site.info)) chosen.push_back(site);
  for (const auto& [key, tensor] : delta.tensors) {
    const bool is_of_linear = std::ranges::any_of(
        chosen, [&key = key](const BertSite& site) { return key.starts_with(site.info.path + "."); });
    if (is_of_linear) continue;
    throw Error(
        method + ": '" + key +
        "' has no name in the libraries' files, which have the head whole; train without that target, or merge");
  }
  if (chosen.empty()) throw Error(method + ": the targets of this delta match no layer of its base");
  return chosen;
}

PeftPatterns read_peft_patterns(const ConfigView& view, const std::string& key) {
  PeftPatterns patterns;
  const std::map<std::string, double> numbers = view.numbers(key);
  const ConfigNode* in_order = view.resolved().find(key);
  if (in_order == nullptr) return patterns;
  for (const auto& [pattern, node] : std::get<ConfigNode::Table>(in_order->value)) {
    const auto number = numbers.find(pattern);
    if (number == numbers.end()) continue;
    check_readable(view, key, {pattern});
    patterns.emplace_back(*number);
  }
  return patterns;
}

PeftPatterns read_rank_pattern(const ConfigView& view) {
  PeftPatterns ranks = read_peft_patterns(view, "rank_pattern");
  for (const auto& [pattern, rank] : ranks) {
    if (rank >= 1 && rank == std::floor(rank)) continue;
    view.problem("rank_pattern",
                 "must hold whole numbers of at least 1, got " + c10::str(rank) + " for '" + pattern + "'");
  }
  return ranks;
}

std::optional<double> pattern_value(const PeftPatterns& patterns, const SiteInfo& site) {
  for (const auto& [pattern, value] : patterns)
    if (regex_matches(site.path, "(.*\\.)?(" + pattern + ")")) return value;
  return std::nullopt;
}

bool is_readable(const std::string& regex) {
  if (regex.size() > kLongestRegex) return false;
  try {
    std::regex checked(regex);
    return true;
  } catch (const std::regex_error&) {
    return false;
  }
}

ConfigNode number_node(double number) {
  if (number == std::floor(number) && std::abs(number) < 1e15) return {static_cast<int64_t>(number)};
  return {number};
}

ConfigNode peft_config(const std::string& type) {
  ConfigNode config{ConfigNode::Table{}};
  for (const char* unset : {"auto_mapping", "base_model_name_or_path", "revision"})
    config.set(unset, {std::string()});
  config.set("inference_mode", {true});
  config.set("modules_to_save", array_of({"classifier", "score"}));
  config.set("peft_type", {type});
  config.set("peft_version", {std::string("0.21.2")});
  config.set("task_type", {std::string("SEQ_CLS")});
  return config;
}

std::vector<std::string> with_peft_fields(std::vector<std::string> others) {
  for (const char* field : {"auto_mapping", "base_model_name_or_path", "inference_mode", "modules_to_save", "peft_type",
                            "peft_version", "revision", "task_type"})
    others.emplace_back(field);
  return others;
}

}  // namespace v1
}  // namespace plugtune
