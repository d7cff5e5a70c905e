// exchange.cc - LayerNorm tuning in the files of peft 0.21 (tuners/ln_tuning).
#include "exchange.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "plugtune/blocks/peft_modules.h"
#include "settings.h"

namespace plugtune::bitfit {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kParameters[] = {"weight", "bias"};

std::vector<std::string> all_layer_norms(const ModelInfo& info) {
  std::vector<std::string> paths = {"embeddings.LayerNorm"};
  for (int64_t layer = 0; layer < info.layers; ++layer) {
    const std::string path = "encoder.layer." + std::to_string(layer);
    paths.push_back(path + ".attention.output.LayerNorm");
    paths.push_back(path + ".output.LayerNorm");
  }
  return paths;
}

std::string foreign_key(const std::string& path, const char* parameter) {
  return path + ".ln_tuning_layers." + parameter;
}

}  // namespace

bool BitFitExchange::reads(const ForeignAdapter& adapter) const {
  return adapter.format == "peft" && text_at(adapter.config, "peft_type") == "LN_TUNING";
}

MethodDelta BitFitExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  const ConfigView config(adapter.config, {kConfigFile, "peft's LayerNorm tuning", "", {}});
  const ModuleNames targets = read_module_names(config, adapter.config, "target_modules");
  const ModuleNames excluded = read_module_names(config, adapter.config, "exclude_modules");
  if (!config.has("target_modules")) config.problem("target_modules", "is required");
  reject_unknown_fields(config, adapter.config, with_peft_fields({}));
  const std::vector<std::string> all = all_layer_norms(base.info);
  std::vector<std::string> chosen;
  std::ranges::copy_if(all, std::back_inserter(chosen),
                       [&](const std::string& path) { return targets.match(path) && !excluded.match(path); });
  if (chosen.empty()) throw config.error("target_modules", "names no LayerNorm of a BERT");
  MethodDelta delta{ConfigNode{ConfigNode::Table{}}, {}, {}};
  delta.settings.set("what", array_of({"layer_norm"}));
  if (chosen != all) delta.settings.set("targets", array_of(chosen));
  for (const std::string& path : chosen) {
    for (const char* parameter : kParameters)
      delta.tensors.emplace_back(path + "." + parameter,
                                 tensors.take(foreign_key(path, parameter), {base.info.hidden_size}));
  }
  return delta;
}

ForeignAdapter BitFitExchange::write(const MethodDelta& delta, const std::string& format, const std::string&,
                                     const ExchangeBase& base) const {
  const BitFitSettings settings(ConfigView(delta.settings, {"strategy", "strategy 'bitfit'", "", {}}));
  if (format != "peft") {
    throw Error(
        "bitfit: AdapterHub's library has no adapter of the encoder's own biases and LayerNorms; merge, or export to "
        "hf" +
        std::string(settings.biases ? "" : " or peft"));
  }
  if (settings.biases) {
    throw Error(
        "bitfit: peft has no adapter of trained biases alone (it has one of LayerNorms); merge, or export to hf");
  }
  std::map<std::string, Tensor> tensors(delta.tensors.begin(), delta.tensors.end());
  ForeignAdapter adapter{"peft", "", peft_config("LN_TUNING"), {}, {}, {}};
  const std::vector<std::string> all = all_layer_norms(base.info);
  std::vector<std::string> chosen;
  for (const std::string& path : all) {
    if (!settings.trains(owner_of(path), "weight")) continue;
    chosen.push_back(path);
    for (const char* parameter : kParameters) {
      const auto at = tensors.find(path + "." + parameter);
      if (at == tensors.end()) throw Error("bitfit: the run has no tensor '" + path + "." + parameter + "'");
      adapter.tensors.emplace_back(foreign_key(path, parameter), at->second);
    }
  }
  adapter.config.set("exclude_modules", {std::string()});
  adapter.config.set("target_modules", array_of(chosen == all ? std::vector<std::string>{"LayerNorm"} : chosen));
  return adapter;
}

}  // namespace plugtune::bitfit
