// exchange_peft_write.cc - LoraConfig of peft 0.21.2: writing, field for field as its save_pretrained.
#include <algorithm>

#include "delta.h"
#include "exchange.h"
#include "peft_words.h"

namespace plugtune::lora {
namespace {

bool is_chosen(const LoraDelta& delta, const SiteInfo& site) { return delta.settings.chooses(site); }

std::vector<int64_t> layers_of(const LoraDelta& delta, int64_t layers) {
  std::vector<int64_t> listed;
  const Selector selector({}, delta.settings.layers);
  for (int64_t layer = 0; layer < layers && !delta.settings.layers.empty(); ++layer)
    if (selector.has_layer(layer)) listed.push_back(layer);
  return listed;
}

/// As a list of names, or, when it is one target that no name says, as an expression. Empty: neither.
ModuleNames names_of(const std::vector<std::string>& targets) {
  ModuleNames names;
  for (const std::string& target : targets)
    names.list.push_back(name_of_target(target));
  if (std::ranges::find(names.list, "") == names.list.end()) return names;
  return {.list = {}, .regex = targets.size() == 1 ? regex_of_target(targets.front()) : ""};
}

/// What is to be excluded there too: with layers nothing outside of them is chosen there, so that goes without saying.
std::vector<std::string> excluded_there(const LoraDelta& delta) {
  std::vector<std::string> targets;
  for (const std::string& target : delta.settings.exclude.targets()) {
    const Selector alone({target});
    const bool is_in_a_layer = std::ranges::any_of(
        delta.sites, [&](const BertSite& site) { return site.info.layer >= 0 && alone.matches(site.info); });
    if (is_in_a_layer || delta.settings.layers.empty()) targets.push_back(target);
  }
  return targets;
}

/// In the words of the settings where they mean the same there, else what says it shortest.
PeftModules modules_of(const LoraDelta& delta, const ModelInfo& model) {
  PeftModules modules;
  modules.targets = names_of(delta.settings.targets);
  const std::vector<std::string> excluded = excluded_there(delta);
  modules.exclude = names_of(excluded);
  modules.layers = layers_of(delta, model.layers);
  const bool is_allowed = modules.layers.empty() || modules.targets.regex.empty();  // an expression cannot have layers
  const bool is_readable_there = is_readable(modules.targets.regex) && is_readable(modules.exclude.regex);
  const bool is_same =
      !modules.targets.empty() && is_allowed && is_readable_there && modules.exclude.empty() == excluded.empty() &&
      std::ranges::all_of(
          delta.sites, [&](const BertSite& site) { return modules.choose(site.info) == is_chosen(delta, site.info); });
  if (is_same) return modules;
  PeftModules shortest;
  shortest.targets.list = peft_names(delta.chosen, model);
  return shortest;
}

/// @param wanted  the number of a site
template <class Wanted>
ConfigNode patterns_node(const SiteNumbers& numbers, double fallback, const std::vector<BertSite>& chosen,
                         const Wanted& wanted) {
  PeftPatterns patterns;
  for (const auto& [target, number] : numbers.entries())
    patterns.emplace_back(pattern_of_target(target), number);
  std::ranges::sort(patterns);  // as the file will have them
  const bool is_same =
      std::ranges::all_of(patterns, [](const auto& p) { return !p.first.empty() && is_readable(p.first); }) &&
      std::ranges::all_of(chosen, [&](const BertSite& site) {
        return pattern_value(patterns, site.info).value_or(fallback) == wanted(site);
      });
  if (!is_same) return numbers_by_path(chosen, fallback, wanted);
  ConfigNode table{ConfigNode::Table{}};
  for (const auto& [pattern, number] : patterns)
    table.set(pattern, number_node(number));
  return table;
}

ConfigNode names_node(const ModuleNames& names) {
  return names.empty() ? null_node() : names.regex.empty() ? array_of(names.list) : text_node(names.regex);
}

ConfigNode config_of(const LoraDelta& delta, const ModelInfo& model) {
  const LoraSettings& settings = delta.settings;
  const LowRankOptions& defaults = settings.defaults;
  const PeftModules modules = modules_of(delta, model);
  ConfigNode config = peft_config("LORA");
  for (const char* unset :
       {"alora_invocation_tokens", "arrow_config", "corda_config", "eva_config", "kasa_config", "layer_replication",
        "layers_pattern", "lora_ga_config", "megatron_config", "monteclora_config", "target_parameters",
        "trainable_token_indices", "use_bdlora", "velora_config"})
    config.set(unset, null_node());
  for (const char* off : {"ensure_weight_tying", "fan_in_fan_out", "lora_bias", "use_qalora"})
    config.set(off, {false});
  config.set("loftq_config", {ConfigNode::Table{}});
  config.set("megatron_core", text_node("megatron.core"));
  config.set("qalora_group_size", {int64_t{16}});

  config.set("bias", text_node(settings.bias));
  const bool is_gaussian = defaults.init == LowRankInit::kGaussian;
  config.set("init_lora_weights", is_gaussian ? text_node("gaussian") : ConfigNode{true});
  config.set("lora_alpha", number_node(defaults.alpha));
  config.set("lora_dropout", {defaults.dropout});
  config.set("r", {defaults.rank});
  config.set("use_dora", {settings.dora});
  config.set("use_rslora", {defaults.rank_stabilized});
  config.set("target_modules", names_node(modules.targets));
  config.set("exclude_modules", names_node(modules.exclude));
  config.set("layers_to_transform", modules.layers.empty() ? null_node() : integers_node(modules.layers));
  config.set("rank_pattern",
             patterns_node(settings.ranks, static_cast<double>(defaults.rank), delta.chosen, [&](const BertSite& site) {
               return static_cast<double>(settings.options(site.info).rank);
             }));
  config.set("alpha_pattern", patterns_node(settings.alphas, defaults.alpha, delta.chosen,
                                            [&](const BertSite& site) { return settings.options(site.info).alpha; }));
  return config;
}

void write_biases(const LoraDelta& delta, const ModelInfo& info, ForeignAdapter& adapter) {
  if (delta.settings.bias == "none") return;
  for (const std::string& bias : bert_biases(info)) {
    const std::string layer = bias.substr(0, bias.size() - std::string(".bias").size());
    const bool is_wrapped = has_site(delta.chosen, layer);
    if (!is_wrapped && delta.settings.bias == "lora_only") continue;
    const auto tensor = delta.tensors.find(bias);
    if (tensor == delta.tensors.end()) {
      if (layer == "pooler.dense") continue;  // trained whole, as a part of the head
      throw Error("delta of strategy 'lora': has no tensor '" + bias + "'");
    }
    adapter.tensors.emplace_back(is_wrapped ? layer + ".base_layer.bias" : bias, tensor->second);
  }
}

}  // namespace

ForeignAdapter write_peft(const MethodDelta& method, const ExchangeBase& base) {
  const LoraDelta delta(method, "peft", base);
  ForeignAdapter adapter{
      .format = "peft", .name = "", .config = config_of(delta, base.info), .tensors = {}, .members = {}, .notes = {}};
  for (const BertSite& site : delta.chosen) {
    const bool is_words = site.info.role == Role::kWordEmbeddings;
    const std::string& path = site.info.path;
    adapter.tensors.emplace_back(path + (is_words ? ".lora_embedding_A" : ".lora_A.weight"),
                                 delta.at(site, "update.a"));
    adapter.tensors.emplace_back(path + (is_words ? ".lora_embedding_B" : ".lora_B.weight"),
                                 delta.at(site, "update.b"));
    if (delta.settings.dora) {
      adapter.tensors.emplace_back(path + ".lora_magnitude_vector", delta.at(site, "magnitude"));
    }
  }
  write_biases(delta, base.info, adapter);
  return adapter;
}

}  // namespace plugtune::lora
