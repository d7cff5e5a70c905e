#pragma once
// peer_settings.h - settings from JSON, and what the peers' goldens say in our words: names of tensors, options.

#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "plugtune/config.h"
#include "support/golden.h"

namespace plugtune::testing {

inline ConfigNode config_node(const nlohmann::json& json) {
  if (json.is_boolean()) return {json.get<bool>()};
  if (json.is_number_integer()) return {json.get<int64_t>()};
  if (json.is_number()) return {json.get<double>()};
  if (json.is_string()) return {json.get<std::string>()};
  if (json.is_array()) {
    ConfigNode::Array array;
    for (const auto& element : json)
      array.push_back(config_node(element));
    return {array};
  }
  ConfigNode table{ConfigNode::Table{}};
  for (const auto& [key, value] : json.items())
    table.set(key, config_node(value));
  return table;
}

/// A tensor's name in peft's or AdapterHub's file -> the key of our delta.
inline std::string delta_key(std::string name) {
  static const std::vector<std::pair<std::regex, std::string>> rules = {
      {std::regex(R"(^base_model\.model\.)"), ""},
      {std::regex(R"(^heads\.golden\.1\.)"), "classifier."},
      {std::regex(R"(^bert\.)"), ""},
      {std::regex(R"(^cls\.predictions\.bias$)"), "cls.predictions.decoder.bias"},
      {std::regex(R"(\.lora_A\.weight$|\.lora_embedding_A$)"), ".lora.update.a"},
      {std::regex(R"(\.lora_B\.weight$|\.lora_embedding_B$)"), ".lora.update.b"},
      {std::regex(R"(\.reft_layer\.refts\.[a-z]+\.units\.0\.)"), ".reft.first."},
      {std::regex(R"(\.reft_layer\.refts\.[a-z]+\.units\.1\.)"), ".reft.last."},
      {std::regex(R"(learned_source\.(weight|bias)$)"), "source_$1"},
      {std::regex(R"(projection\.parametrizations\.weight\.original$)"), "reflections"},
      {std::regex(R"(projection\.parametrizations\.weight\.0\.base$)"), "base"},
      {std::regex(R"((reft\.[a-z]+\.projection)\.weight$)"), "$1"},
      {std::regex(R"(\.adapters\.[a-z]+\.)"), ".LayerNorm.adapter.bottleneck."},
      {std::regex(R"(^invertible_adapters\.[a-z]+\.F\.)"), "encoder.adapter.invertible.f_"},
      {std::regex(R"(^invertible_adapters\.[a-z]+\.G\.)"), "encoder.adapter.invertible.g_"},
      {std::regex(R"((invertible\.[fg]_)0\.)"), "$1down_"},
      {std::regex(R"((invertible\.[fg]_)2\.)"), "$1up_"},
      {std::regex(R"(\.adapter_fusion_layer\.a,b\.)"), ".LayerNorm.adapterfusion."},
      {std::regex(R"(adapter_down\.[01]\.)"), "down_"},
      {std::regex(R"(adapter_up\.)"), "up_"},
      {std::regex(R"(adapter_norm_(before|after)\.)"), "norm_$1_"},
      {std::regex(R"(bottleneck\.gate\.)"), "bottleneck.gate_"},
      {std::regex(R"(adapterfusion\.(query|key|value)\.)"), "adapterfusion.$1_"},
  };
  for (const auto& [pattern, with] : rules)
    name = std::regex_replace(name, pattern, with);
  return name;
}

/// Options of AdapterHub's library as settings of ours: the same names and values, less those of other methods.
inline nlohmann::json adapter_settings(const nlohmann::json& options) {
  nlohmann::json settings = options;
  for (const char* other : {"init_weights_seed", "cross_adapter"})
    settings.erase(other);
  for (const char* invertible : {"inv_adapter", "inv_adapter_reduction_factor"})
    if (settings.contains(invertible) && settings[invertible].is_null()) settings.erase(invertible);
  return settings;
}

/// Member `name` of a fusion's golden, of these options, as the finished run that it would be here.
inline SourceRun source_run(const Golden& golden, const std::string& name, const nlohmann::json& options) {
  SourceRun run;
  run.name = name;
  run.methods.push_back({"adapter", "1.0.0", config_node(adapter_settings(options))});
  const std::string part = ".adapters." + name + ".";
  for (const auto& [key, tensor] : golden.tensors()) {
    if (key.starts_with("fixed/") && key.find(part) != std::string::npos)
      run.tensors.emplace_back(delta_key(key.substr(6)), tensor.clone());
  }
  return run;
}

}  // namespace plugtune::testing
