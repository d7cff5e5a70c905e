#pragma once
// foreign_file_test.h - what the tests of LoRA's exchange share: a library's own directory, and a model with a delta.

#include <fstream>

#include "exchange.h"
#include "support/strategy.h"

namespace plugtune::lora_test {

using Json = nlohmann::json;
using testing::Golden;
using testing::tiny_model;

inline Json without_nulls(const Json& json) {
  Json kept = Json::object();
  for (const auto& [key, value] : json.items())
    if (!value.is_null()) kept[key] = value;
  return kept;
}

/// What the host writes: an empty string is null.
inline Json json_of(const ConfigNode& node) {
  if (const auto* table = std::get_if<ConfigNode::Table>(&node.value)) {
    Json json = Json::object();
    for (const auto& [key, value] : *table)
      json[key] = json_of(value);
    return json;
  }
  if (const auto* array = std::get_if<ConfigNode::Array>(&node.value)) {
    Json json = Json::array();
    for (const ConfigNode& value : *array)
      json.push_back(json_of(value));
    return json;
  }
  if (const auto* text = std::get_if<std::string>(&node.value)) return text->empty() ? Json() : Json(*text);
  if (const auto* whole = std::get_if<int64_t>(&node.value)) return *whole;
  if (const auto* real = std::get_if<double>(&node.value)) return *real;
  return std::get<bool>(node.value);
}

inline ExchangeBase tiny_base() {
  const auto model = tiny_model();
  return {.info = model->info(), .weight = [model](const std::string& name) {
            for (const auto& [key, tensor] : model->own_parameters())
              if (key == name) return tensor.detach();
            throw Error("no base parameter '" + name + "'");
          }};
}

/// tests/golden/<case>/<a>/, <b>/, ...: peft's adapters without a head, one for each letter of `names`.
inline std::vector<MethodDelta> headless_adapters(const std::string& golden_case, const std::string& names) {
  const std::string prefix = "base_model.model.bert.";
  std::vector<MethodDelta> deltas;
  for (const char name : names) {
    const auto directory = testing::golden_path() / golden_case / std::string(1, name);
    ForeignAdapter adapter;
    adapter.format = "peft";
    adapter.config = testing::config_node(without_nulls(Json::parse(std::ifstream(directory / "adapter_config.json"))));
    for (const auto& [key, tensor] : formats::SafetensorsFile::open(directory / "adapter_model.safetensors").tensors())
      adapter.tensors.emplace_back(key.substr(prefix.size()), tensor);
    ForeignTensors tensors("weights", adapter.tensors);
    deltas.push_back(lora::LoraExchange().read(adapter, tensors, tiny_base()));
  }
  return deltas;
}

/// A library's own directory, taken apart as the host does.
struct Foreign {
  explicit Foreign(const std::string& golden_case, const std::string& format) : golden(golden_case) {
    const auto directory = testing::golden_path() / golden_case / format;
    config = Json::parse(std::ifstream(directory / "adapter_config.json"));
    adapter.format = format;
    const bool is_peft = format == "peft";
    adapter.name = is_peft ? "" : config.at("name").get<std::string>();
    Json own = without_nulls(is_peft ? config : config.at("config"));
    if (!is_peft) own["version"] = config.at("version");
    adapter.config = testing::config_node(own);
    const auto file = directory / (is_peft ? "adapter_model.safetensors" : "adapter.safetensors");
    for (const auto& [key, tensor] : formats::SafetensorsFile::open(file).tensors())
      add(is_peft ? key.substr(std::string("base_model.model.").size()) : key, tensor);
    if (!is_peft) {
      for (const auto& [key, tensor] : formats::SafetensorsFile::open(directory / "model_head.safetensors").tensors())
        head.emplace_back(testing::delta_key(key), tensor);
    }
  }

  void add(std::string name, const Tensor& tensor) {
    if (name.starts_with("bert.")) name = name.substr(5);
    const bool is_stray =
        name.find("original_module") != std::string::npos || name.find("modules_to_save") != std::string::npos;
    const bool saves_pooler = config.value("modules_to_save", Json::array()).size() == 3;
    if (is_stray) return;
    const bool is_head = name.starts_with("classifier.") || (saves_pooler && name.starts_with("pooler.dense."));
    (is_head ? head : adapter.tensors).emplace_back(name, tensor);
  }

  /// read() by the plugin's exchange; everything in the file must be taken.
  MethodDelta read() {
    ForeignTensors tensors("weights", adapter.tensors);
    const ExchangeBase base = tiny_base();
    MethodDelta delta = lora::LoraExchange().read(adapter, tensors, base);
    EXPECT_EQ(join(tensors.unread()), "");
    return delta;
  }

  Golden golden;
  Json config;
  ForeignAdapter adapter;
  std::vector<std::pair<std::string, Tensor>> head;
};

inline std::unique_ptr<Strategy> strategy_of(const ConfigNode& settings) {
  return std::unique_ptr<Strategy>(plugtune_plugin.items[0].create_strategy(
      ConfigView(settings, {.subject = "strategy", .owner = "strategy 'lora'", .file = "", .open_run = {}})));
}

/// The tiny model with a delta and a head. What trains must be what the delta holds.
inline std::shared_ptr<model::Bert> model_of(const MethodDelta& delta,
                                             const std::vector<std::pair<std::string, Tensor>>& head) {
  torch::NoGradGuard no_grad;
  auto model = tiny_model();
  strategy_of(delta.settings)->apply(*model);
  std::map<std::string, Tensor> own;
  for (const auto& [name, parameter] : model->own_parameters())
    own.emplace(name, parameter);
  for (const auto& [name, tensor] : head)
    own.at(name).copy_(tensor);
  std::map<std::string, Tensor> trained = testing::trainables(*model);
  for (const auto& [name, tensor] : delta.tensors) {
    const auto at = trained.find(name);
    if (at == trained.end()) {
      ADD_FAILURE() << name << " is in the delta, but does not train";
      continue;
    }
    EXPECT_EQ(at->second.sizes(), tensor.sizes()) << name;
    at->second.copy_(tensor);
    trained.erase(at);
  }
  for (const auto& [name, parameter] : trained)
    ADD_FAILURE() << name << " trains, but is not in the delta";
  model->eval();
  return model;
}

inline std::map<std::string, Tensor> by_name(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  return {tensors.begin(), tensors.end()};
}

inline void expect_same_tensors(const std::vector<std::pair<std::string, Tensor>>& left,
                                const std::vector<std::pair<std::string, Tensor>>& right) {
  const auto wanted = by_name(right);
  EXPECT_EQ(left.size(), right.size());
  for (const auto& [name, tensor] : left) {
    ASSERT_TRUE(wanted.contains(name)) << name;
    EXPECT_TRUE(torch::equal(tensor, wanted.at(name))) << name;
  }
}

/// Fields of the host.
inline Json with_names_of(Json written, const Json& config) {
  for (const char* key : {"base_model_name_or_path", "modules_to_save"})
    written[key] = config.at(key);
  return written;
}

}  // namespace plugtune::lora_test
