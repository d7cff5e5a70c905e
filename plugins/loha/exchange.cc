// exchange.cc - LoHa in the files of peft 0.21 (tuners/loha, tuners/lycoris_utils.py).
#include "exchange.h"

#include "plugtune/blocks/peft_modules.h"
#include "settings.h"

namespace plugtune::loha {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";

struct Factor {
  const char *theirs, *ours;
  bool is_out;  // (out, r), else (r, in)
};
constexpr Factor kFactors[] = {
    {".hada_w1_a", "a1", true}, {".hada_w1_b", "b1", false}, {".hada_w2_a", "a2", true}, {".hada_w2_b", "b2", false}};

struct PeftConfig {
  PeftModules modules;
  int64_t rank = 0;
  double alpha = 0, module_dropout = 0, rank_dropout = 0;
  PeftPatterns ranks, alphas;

  double rank_at(const BertSite& site) const {
    return pattern_value(ranks, site.info).value_or(static_cast<double>(rank));
  }
  double alpha_at(const BertSite& site) const { return pattern_value(alphas, site.info).value_or(alpha); }
};

PeftConfig config_of(const ConfigView& view, const ConfigNode& config, const std::vector<BertSite>& linears) {
  PeftConfig read;
  read.modules = read_peft_modules(view, config, linears);
  read.rank = view.integer("r", 8, /*min=*/1);
  read.alpha = view.number("alpha", 8);
  read.module_dropout = view.number("module_dropout", 0, 0, 0.999999);
  read.rank_dropout = view.number("rank_dropout", 0, 0, 1);
  read.ranks = read_rank_pattern(view);
  read.alphas = read_peft_patterns(view, "alpha_pattern");
  // The one says how training started, the other is of convolutions.
  reject_unknown_fields(view, config, with_peft_fields({"init_weights", "use_effective_conv2d"}));
  return read;
}

ConfigNode settings_of(const PeftConfig& config, const std::vector<BertSite>& chosen, const ModelInfo& model) {
  ConfigNode settings{ConfigNode::Table{}};
  set_targets(settings, chosen, model);
  settings.set("rank", {config.rank});
  settings.set("alpha", number_node(config.alpha));
  const auto set_numbers = [&](const char* key, double fallback, const auto& number_of) {
    const ConfigNode numbers = numbers_by_path(chosen, fallback, number_of);
    if (!std::get<ConfigNode::Table>(numbers.value).empty()) settings.set(key, numbers);
  };
  set_numbers("ranks", static_cast<double>(config.rank), [&](const BertSite& site) { return config.rank_at(site); });
  set_numbers("alphas", config.alpha, [&](const BertSite& site) { return config.alpha_at(site); });
  if (config.module_dropout > 0) settings.set("module_dropout", {config.module_dropout});
  return settings;
}

}  // namespace

bool LohaExchange::reads(const ForeignAdapter& adapter) const {
  return adapter.format == "peft" && text_at(adapter.config, "peft_type") == "LOHA";
}

MethodDelta LohaExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  const ConfigView view(adapter.config, {kConfigFile, "peft's LoHa", "", {}});
  const std::vector<BertSite> linears = bert_linears(base.info);
  const PeftConfig config = config_of(view, adapter.config, linears);
  const std::vector<BertSite> chosen =
      chosen_sites(config.modules, linears, tensors, {kFactors[0].theirs}, view, adapter.notes);
  if (config.rank_dropout > 0) {
    adapter.notes.push_back("rank_dropout = " + c10::str(config.rank_dropout) +
                            ", which drops rows of the update in training alone, is left out");
  }
  MethodDelta delta{settings_of(config, chosen, base.info), {}, {}};
  for (const BertSite& site : chosen) {
    const int64_t rank = static_cast<int64_t>(config.rank_at(site));
    for (const Factor& factor : kFactors) {
      const std::vector<int64_t> shape =
          factor.is_out ? std::vector<int64_t>{site.out_features, rank} : std::vector<int64_t>{rank, site.in_features};
      delta.tensors.emplace_back(delta_key(site, "loha", factor.ours),
                                 tensors.take(site.info.path + factor.theirs, shape));
    }
  }
  return delta;
}

ForeignAdapter LohaExchange::write(const MethodDelta& delta, const std::string& format, const std::string&,
                                   const ExchangeBase& base) const {
  if (format != "peft") throw Error("loha: AdapterHub's library has no LoHa; export to peft or hf");
  const LohaSettings settings(ConfigView(delta.settings, {"strategy", "strategy 'loha'", "", {}}));
  const std::vector<BertSite> chosen = linears_of(delta, settings.targets, "loha", base.info);
  ForeignAdapter adapter{"peft", "", peft_config("LOHA"), {}, {}, {}};
  ConfigNode& config = adapter.config;
  for (const char* unset : {"exclude_modules", "layers_pattern", "layers_to_transform"})
    config.set(unset, {std::string()});
  config.set("alpha", number_node(settings.alpha));
  config.set("alpha_pattern", numbers_by_path(chosen, settings.alpha,
                                              [&](const BertSite& site) { return settings.alpha_at(site.info); }));
  config.set("init_weights", {true});
  config.set("module_dropout", {settings.module_dropout});
  config.set("r", {settings.rank});
  config.set("rank_dropout", {0.0});
  config.set("rank_pattern", numbers_by_path(chosen, static_cast<double>(settings.rank), [&](const BertSite& site) {
               return static_cast<double>(settings.rank_at(site.info));
             }));
  config.set("target_modules", array_of(peft_names(chosen, base.info)));
  config.set("use_effective_conv2d", {false});
  for (const BertSite& site : chosen)
    for (const Factor& factor : kFactors)
      adapter.tensors.emplace_back(site.info.path + factor.theirs,
                                   delta.tensor(delta_key(site, settings.name, factor.ours)));
  return adapter;
}

}  // namespace plugtune::loha
