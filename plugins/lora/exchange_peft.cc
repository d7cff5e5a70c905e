// exchange_peft.cc - LoraConfig of peft 0.21.2: reading. Everything that it can say of BERT is said in our settings.
#include <algorithm>
#include <cmath>

#include "changed_base.h"
#include "delta.h"
#include "exchange.h"
#include "peft_words.h"

namespace plugtune::lora {
namespace {

constexpr const char* kPeftConfigFile = "adapter_config.json";

/// Fields that configure what another field turns on, or are read by hand here.
const std::vector<std::string> kOtherFields =
    with_peft_fields({"corda_config", "eva_config", "init_lora_weights", "loftq_config", "lora_ga_config",
                      "megatron_core", "qalora_group_size", "runtime_config", "layers_pattern"});

struct PeftConfig {
  PeftModules modules;
  LowRankOptions defaults;
  PeftPatterns ranks, alphas;
  bool dora = false;
  std::string bias;
  BaseChange change = BaseChange::kNone;
};

BaseChange change_of(const ConfigView& view, const ConfigNode& config) {
  const ConfigNode* node = config.find("init_lora_weights");
  if (node == nullptr || std::holds_alternative<bool>(node->value)) return BaseChange::kNone;
  const auto* text = std::get_if<std::string>(&node->value);
  std::string refusal;
  const auto change = text == nullptr ? std::nullopt : base_change(*text, &refusal);
  if (text == nullptr) refusal = "must be a boolean or a string";
  if (!change) view.problem("init_lora_weights", refusal);
  return change.value_or(BaseChange::kNone);
}

PeftConfig config_of(const ConfigView& view, const ConfigNode& config, const std::vector<BertSite>& sites) {
  PeftConfig read;
  read.modules = read_peft_modules(view, config, sites);
  read.defaults.rank = view.integer("r", 8, /*min=*/1);
  read.defaults.alpha = view.number("lora_alpha", 8);
  read.defaults.dropout = view.number("lora_dropout", 0, 0, 0.999999);
  read.defaults.rank_stabilized = view.boolean("use_rslora", false);
  read.ranks = read_rank_pattern(view);
  read.alphas = read_peft_patterns(view, "alpha_pattern");
  read.dora = view.boolean("use_dora", false);
  read.bias = view.choice("bias", "none", {"none", "all", "lora_only"});
  read.change = change_of(view, config);
  const ConfigNode* init = config.find("init_lora_weights");
  const auto* start = init == nullptr ? nullptr : std::get_if<std::string>(&init->value);
  if (start != nullptr && *start == "gaussian") read.defaults.init = LowRankInit::kGaussian;
  reject_unknown_fields(view, config, kOtherFields);
  return read;
}

bool matches_any(const std::string& target, const std::vector<BertSite>& sites) {
  try {
    const Selector selector({target});
    return std::ranges::any_of(sites, [&](const BertSite& site) { return selector.matches(site.info); });
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::string> targets_of(const ModuleNames& names, const std::vector<BertSite>& sites) {
  std::vector<std::string> targets;
  if (!names.regex.empty()) targets.push_back(target_of_regex(names.regex));
  for (const std::string& name : names.list)
    targets.push_back(target_of_name(name, sites));
  std::erase_if(targets, [&](const std::string& target) { return !matches_any(target, sites); });
  return targets;
}

/// Whether settings mean exactly `chosen`.
bool mean(const ConfigNode& settings, const std::vector<BertSite>& sites, const std::vector<BertSite>& chosen) {
  try {
    const LoraSettings read(view_of(settings));
    return std::ranges::all_of(
        sites, [&](const BertSite& site) { return read.chooses(site.info) == has_site(chosen, site.info.path); });
  } catch (const Error&) {
    return false;
  }
}

/// targets, layers and exclude in the words of the file where they mean the same here, else what says it shortest.
ConfigNode targets_settings(const PeftModules& modules, const std::vector<BertSite>& sites,
                            const std::vector<BertSite>& chosen, const ModelInfo& model) {
  ConfigNode settings{ConfigNode::Table{}};
  const std::vector<std::string> targets = targets_of(modules.targets, sites);
  settings.set("targets", array_of(targets));
  std::vector<std::string> kept;
  for (const int64_t layer : modules.layers)
    if (layer < model.layers) kept.push_back(std::to_string(layer));
  if (!kept.empty()) settings.set("layers", text_node(join(kept, ",")));
  std::vector<std::string> excluded = targets_of(modules.exclude, sites);
  // With layers nothing outside of them is meant there; here its target alone chooses it.
  for (const BertSite& site : sites) {
    const bool is_outside = !kept.empty() && site.info.layer < 0;
    if (is_outside && Selector(targets).matches(site.info) && !Selector(excluded).matches(site.info) &&
        !has_site(chosen, site.info.path))
      excluded.emplace_back(role_name(site.info.role));
  }
  if (!excluded.empty()) settings.set("exclude", array_of(excluded));
  if (mean(settings, sites, chosen)) return settings;

  ConfigNode shortest{ConfigNode::Table{}};
  set_targets(shortest, chosen, model);
  return shortest;
}

/// `ranks` or `alphas`: the file's patterns where they mean the same here, else the sites that differ by their paths.
ConfigNode numbers_node(const PeftPatterns& patterns, double fallback, double factor,
                        const std::vector<BertSite>& sites, const std::vector<BertSite>& chosen) {
  const auto wanted = [&](const BertSite& site) {
    return pattern_value(patterns, site.info).value_or(fallback) * factor;
  };
  ConfigNode table{ConfigNode::Table{}};
  for (const auto& [pattern, number] : patterns) {
    const std::string target = target_of_pattern(pattern, sites);
    if (matches_any(target, chosen)) table.set(target, number_node(number * factor));
  }
  ConfigNode holder{ConfigNode::Table{}};
  holder.set("numbers", table);
  const SiteNumbers numbers(view_of(holder), "numbers");
  const auto is_right = [&](const BertSite& site) {
    return numbers.at(site.info).value_or(fallback * factor) == wanted(site);
  };
  if (std::ranges::all_of(chosen, is_right)) return table;
  return numbers_by_path(chosen, fallback * factor, wanted);
}

bool is_empty(const ConfigNode& table) { return std::get<ConfigNode::Table>(table.value).empty(); }

/// @param growth  2 when the start is taken back by a second update of the same rank beside the first, else 1
ConfigNode settings_of(const PeftConfig& config, int64_t growth, const std::vector<BertSite>& sites,
                       const std::vector<BertSite>& chosen, const ModelInfo& model) {
  ConfigNode settings = targets_settings(config.modules, sites, chosen, model);
  const LowRankOptions& defaults = config.defaults;
  // Of twice the rank, and the scale must stay: alpha / r, or alpha / sqrt(r).
  const double rank_growth = static_cast<double>(growth);
  const double alpha_growth = defaults.rank_stabilized ? std::sqrt(rank_growth) : rank_growth;
  settings.set("rank", {defaults.rank * growth});
  settings.set("alpha", number_node(defaults.alpha * alpha_growth));
  const double rank = static_cast<double>(defaults.rank);
  const ConfigNode ranks = numbers_node(config.ranks, rank, rank_growth, sites, chosen);
  const ConfigNode alphas = numbers_node(config.alphas, defaults.alpha, alpha_growth, sites, chosen);
  if (!is_empty(ranks)) settings.set("ranks", ranks);
  if (!is_empty(alphas)) settings.set("alphas", alphas);
  if (defaults.dropout > 0) settings.set("dropout", {defaults.dropout});
  if (defaults.rank_stabilized) settings.set("rank_stabilized", {true});
  if (config.dora) settings.set("dora", {true});
  if (defaults.init == LowRankInit::kGaussian) settings.set("init", text_node("gaussian"));
  if (config.bias != "none") settings.set("bias", text_node(config.bias));
  return settings;
}

LowRankOptions options_of(const PeftConfig& config, const SiteInfo& site) {
  LowRankOptions options = config.defaults;
  options.rank = static_cast<int64_t>(pattern_value(config.ranks, site).value_or(static_cast<double>(options.rank)));
  options.alpha = pattern_value(config.alphas, site).value_or(options.alpha);
  return options;
}

void take_update(const PeftConfig& config, const BertSite& site, ForeignTensors& tensors, const ExchangeBase& base,
                 MethodDelta& delta) {
  const LowRankOptions options = options_of(config, site.info);
  const bool is_words = site.info.role == Role::kWordEmbeddings;
  const std::string path = site.info.path;
  Tensor a = tensors.take(path + (is_words ? ".lora_embedding_A" : ".lora_A.weight"), {options.rank, site.in_features});
  Tensor b =
      tensors.take(path + (is_words ? ".lora_embedding_B" : ".lora_B.weight"), {site.out_features, options.rank});
  if (config.change != BaseChange::kNone) {
    const Factors start = initial_factors(config.change, base.weight(path + ".weight"), options);
    a = torch::cat({a.to(torch::kFloat32), start.a}, 0);   // [A | A0]
    b = torch::cat({b.to(torch::kFloat32), -start.b}, 1);  // [B | -B0]
  }
  delta.tensors.emplace_back(delta_key(site, "lora", "update.a"), a);
  delta.tensors.emplace_back(delta_key(site, "lora", "update.b"), b);
  if (!config.dora) return;
  delta.tensors.emplace_back(delta_key(site, "lora", "magnitude"),
                             tensors.take(path + ".lora_magnitude_vector", {site.out_features}));
}

/// Trained biases: of wrapped layers under ".base_layer.bias".
void take_biases(const PeftConfig& config, const ModelInfo& info, const std::vector<BertSite>& chosen,
                 ForeignTensors& tensors, MethodDelta& delta) {
  if (config.bias == "none") return;
  for (const std::string& name : tensors.names()) {  // what wrappers of modules_to_save leave behind
    const bool is_left =
        name.find(".original_module.") != std::string::npos || name.find(".modules_to_save.") != std::string::npos;
    if (is_left && name.ends_with(".bias")) tensors.skip(name);
  }
  const auto& saved = config.modules.modules_to_save;
  const bool pooler_is_head =
      std::ranges::any_of(saved, [](const std::string& name) { return name.find("pooler") != std::string::npos; });
  const std::vector<BertSite> linears = bert_linears(info);
  for (const std::string& bias : bert_biases(info)) {
    const std::string layer = bias.substr(0, bias.size() - std::string(".bias").size());
    const bool is_wrapped = has_site(chosen, layer);
    if (!is_wrapped && config.bias == "lora_only") continue;
    if (layer == "pooler.dense" && pooler_is_head) continue;
    const auto linear = std::ranges::find_if(linears, [&](const BertSite& s) { return s.info.path == layer; });
    const int64_t size = linear == linears.end() ? info.hidden_size : linear->out_features;
    delta.tensors.emplace_back(bias, tensors.take(is_wrapped ? layer + ".base_layer.bias" : bias, {size}));
  }
}

}  // namespace

MethodDelta read_peft(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) {
  const ConfigView view(adapter.config,
                        {.subject = kPeftConfigFile, .owner = "peft's LoRA", .file = "", .open_run = {}});
  const std::vector<BertSite> sites = bert_sites(base.info);
  const PeftConfig config = config_of(view, adapter.config, sites);
  const std::vector<BertSite> chosen =
      chosen_sites(config.modules, sites, tensors, {".lora_A.weight", ".lora_embedding_A"}, view, adapter.notes);
  if (config.change != BaseChange::kNone) {
    if (chosen.front().info.role == Role::kWordEmbeddings) {
      throw view.error("init_lora_weights", "is of linear layers only, and target_modules name the word embedding");
    }
    note_change(config.change, base.weight(chosen.front().info.path + ".weight").scalar_type(), adapter.notes);
  }
  MethodDelta delta;
  const int64_t growth = config.change == BaseChange::kNone ? 1 : 2;
  delta.settings = settings_of(config, growth, sites, chosen, base.info);
  for (const BertSite& site : chosen)
    take_update(config, site, tensors, base, delta);
  take_biases(config, base.info, chosen, tensors, delta);
  tensors.throw_if_problems();
  return delta;
}

}  // namespace plugtune::lora
