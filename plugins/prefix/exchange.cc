// exchange.cc - prefixes in the files of peft 0.21 (tuners/prefix_tuning) and AdapterHub's library 1.3 (methods/prefix_tuning.py).
#include "exchange.h"

#include <algorithm>

#include "settings.h"

namespace plugtune::prefix {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kRows = "prompt_embeddings";

std::string patch_of(int64_t layer, const std::string& name) {
  return "encoder.layer." + std::to_string(layer) + ".attention.self." + name + ".";
}

using Tensors = std::vector<std::pair<std::string, Tensor>>;

/// Rows as both libraries order them, (n, 2 L, H): keys and values of a layer stand side by side.
void split_rows(const Tensor& rows, const std::vector<int64_t>& layers, Tensors& tensors) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto at = static_cast<int64_t>(2 * i);
    tensors.emplace_back(patch_of(layers[i], "prefix") + "keys", rows.select(1, at).contiguous());
    tensors.emplace_back(patch_of(layers[i], "prefix") + "values", rows.select(1, at + 1).contiguous());
  }
}

MethodDelta read_peft(ForeignAdapter& adapter, ForeignTensors& tensors, const ModelInfo& info) {
  const ConfigView config(adapter.config, {kConfigFile, "peft's prefix tuning", "", {}});
  const int64_t length = config.integer("num_virtual_tokens", 0, /*min=*/1);
  if (!config.has("num_virtual_tokens")) config.problem("num_virtual_tokens", "must be a whole number, it is missing");
  check_measure(config, "token_dim", info.hidden_size);
  check_measure(config, "num_layers", info.layers);
  check_measure(config, "num_attention_heads", info.heads);
  check_measure(config, "num_transformer_submodules", 1);
  if (config.boolean("prefix_projection", false)) {
    adapter.notes.emplace_back(
        "was trained through a network (prefix_projection), of which peft saves the result alone: the prefix goes on "
        "as a "
        "flat one");
  }
  // encoder_hidden_size is that network's. How training started, and what the host reads.
  reject_unknown_fields(config, adapter.config,
                        {"auto_mapping", "base_model_name_or_path", "encoder_hidden_size", "inference_mode",
                         "init_weights", "modules_to_save", "peft_type", "peft_version", "revision", "task_type"});
  std::vector<int64_t> layers;
  for (int64_t layer = 0; layer < info.layers; ++layer)
    layers.push_back(layer);
  MethodDelta delta{ConfigNode{ConfigNode::Table{}}, {}, {}};
  delta.settings.set("prefix_length", {length});
  delta.settings.set("shift_positions", {true});
  delta.settings.set("flat", {true});
  const Tensor rows = tensors.take(kRows, {length, 2 * info.layers * info.hidden_size});
  split_rows(rows.reshape({length, 2 * info.layers, info.hidden_size}), layers, delta.tensors);
  return delta;
}

/// Weight and bias of each layer's gate: the delta's names and those of the library's file.
std::vector<std::pair<std::string, std::string>> gates(const PrefixSettings& settings,
                                                       const std::vector<int64_t>& layers, const std::string& name) {
  std::vector<std::pair<std::string, std::string>> names;
  if (!settings.gate) return names;
  for (const int64_t layer : layers) {
    for (const char* parameter : {"weight", "bias"}) {
      names.emplace_back(patch_of(layer, settings.name) + "gate." + parameter,
                         patch_of(layer, "prefix_tuning") + "prefix_gates." + name + "." + parameter);
    }
  }
  return names;
}

std::string hub_prefix(const std::string& name) { return "prefix_tuning.prefix_tunings." + name + ".self_prefix."; }

/// Settings that both sides call by the same name, as the delta's table.
ConfigNode hub_settings(const ForeignAdapter& adapter) {
  const ConfigView config(adapter.config, {kConfigFile, "prefix tuning of AdapterHub's library", "", {}});
  ConfigNode table{ConfigNode::Table{}};
  table.set("prefix_length", {config.integer("prefix_length", 30, /*min=*/1)});
  table.set("shift_positions", {false});
  table.set("flat", {config.boolean("flat", false)});
  table.set("bottleneck_size", {config.integer("bottleneck_size", 512, /*min=*/1)});
  table.set("non_linearity", {config.choice("non_linearity", "tanh", activation_names())});
  const bool gate = config.boolean("use_gating", false);
  table.set("gate", {gate});
  if (gate && !config.boolean("shared_gating", true))
    config.problem("shared_gating", "is false: keys and values have a gate each there; here both have the same");
  table.set("dropout", {config.number("dropout", 0, 0, 0.999999)});
  ConfigNode::Array leave_out;
  for (const int64_t layer : config.integers("leave_out", {}, 0))
    leave_out.push_back({layer});
  table.set("leave_out", {leave_out});
  // encoder_prefix and cross_prefix speak of encoder-decoders; shared_gating of gates where use_gating says that there are some.
  reject_unknown_fields(
      config, adapter.config,
      {"architecture", "cross_prefix", "encoder_prefix", "init_weights_seed", "shared_gating", "version"});
  return table;
}

MethodDelta read_hub(ForeignAdapter& adapter, ForeignTensors& tensors, const ModelInfo& info) {
  MethodDelta delta{hub_settings(adapter), {}, {}};
  const PrefixSettings settings(ConfigView(delta.settings, {kConfigFile, "", "", {}}));
  const std::vector<int64_t> layers = settings.layers(info);
  const auto count = static_cast<int64_t>(layers.size());
  const int64_t n = settings.prefix_length, hidden = info.hidden_size, inner = settings.bottleneck_size;
  const std::string prefix = hub_prefix(adapter.name);
  for (const std::string& name : tensors.names())  // every layer files the pool of prefixes once more
    if (name.find(".prefix_tuning.pool." + prefix.substr(prefix.find('.') + 1)) != std::string::npos)
      tensors.skip(name);
  for (const auto& [ours, theirs] : gates(settings, layers, adapter.name)) {
    const bool is_weight = ours.ends_with("weight");
    delta.tensors.emplace_back(
        ours, tensors.take(theirs, is_weight ? std::vector<int64_t>{1, hidden} : std::vector<int64_t>{1}));
  }
  if (settings.flat) {
    const Tensor rows = tensors.take(prefix + "control_trans", {n * count * 2 * hidden});
    split_rows(rows.reshape({n, 2 * count, hidden}), layers, delta.tensors);
    return delta;
  }
  const std::string network = patch_of(layers.front(), settings.name) + "network.";
  delta.tensors.emplace_back(network + "wte", tensors.take(prefix + "wte.weight", {n, hidden}));
  delta.tensors.emplace_back(network + "down_weight", tensors.take(prefix + "control_trans.0.weight", {inner, hidden}));
  delta.tensors.emplace_back(network + "down_bias", tensors.take(prefix + "control_trans.0.bias", {inner}));
  const Tensor weight = tensors.take(prefix + "control_trans.2.weight", {count * 2 * hidden, inner});
  const Tensor bias = tensors.take(prefix + "control_trans.2.bias", {count * 2 * hidden});
  for (int64_t i = 0; i < count; ++i) {
    const std::string patch = patch_of(layers[static_cast<size_t>(i)], settings.name);
    const int64_t begin = i * 2 * hidden;
    delta.tensors.emplace_back(patch + "up_weight", weight.slice(0, begin, begin + 2 * hidden).contiguous());
    delta.tensors.emplace_back(patch + "up_bias", bias.slice(0, begin, begin + 2 * hidden).contiguous());
  }
  return delta;
}

/// (2 L H, bottleneck) and (2 L H) of the network's second layer.
std::pair<Tensor, Tensor> second_layer(const MethodDelta& delta, const PrefixSettings& settings,
                                       const std::vector<int64_t>& layers) {
  std::vector<Tensor> weights, biases;
  for (const int64_t layer : layers) {
    weights.push_back(delta.tensor(patch_of(layer, settings.name) + "up_weight"));
    biases.push_back(delta.tensor(patch_of(layer, settings.name) + "up_bias"));
  }
  return {torch::cat(weights), torch::cat(biases)};
}

/// What the layers' attention gets.  (n, 2 L H)
Tensor rows_of(const MethodDelta& delta, const PrefixSettings& settings, const std::vector<int64_t>& layers) {
  if (settings.flat) {
    std::vector<Tensor> rows;
    for (const int64_t layer : layers) {
      rows.push_back(delta.tensor(patch_of(layer, settings.name) + "keys"));
      rows.push_back(delta.tensor(patch_of(layer, settings.name) + "values"));
    }
    return torch::cat(rows, 1);
  }
  const std::string network = patch_of(layers.front(), settings.name) + "network.";
  const Tensor inner = activation(settings.non_linearity)(torch::linear(
      delta.tensor(network + "wte"), delta.tensor(network + "down_weight"), delta.tensor(network + "down_bias")));
  const auto [weight, bias] = second_layer(delta, settings, layers);
  return torch::linear(inner, weight, bias);
}

ForeignAdapter write_peft(const MethodDelta& delta, const PrefixSettings& settings, const ModelInfo& info) {
  if (!settings.shift_positions) {
    throw Error(
        "prefix: peft gives the prefix the first " + std::to_string(settings.prefix_length) +
        " positions and this one was trained without that (shift_positions = false); export to adapterhub, or train "
        "with shift_positions = true");
  }
  if (settings.gate) throw Error("prefix: peft has no gates and this one has them (gate = true); export to adapterhub");
  if (!settings.leave_out.empty())
    throw Error("prefix: peft has a prefix in every layer and this one leaves some out (leave_out)");
  ForeignAdapter adapter{"peft", "", ConfigNode{ConfigNode::Table{}}, {}, {}, {}};
  adapter.config.set("auto_mapping", {std::string()});
  adapter.config.set("base_model_name_or_path", {std::string()});
  adapter.config.set("encoder_hidden_size", {info.hidden_size});
  adapter.config.set("inference_mode", {true});
  adapter.config.set("init_weights", {std::string()});
  adapter.config.set("modules_to_save", {ConfigNode::Array{{std::string("classifier")}, {std::string("score")}}});
  adapter.config.set("num_attention_heads", {info.heads});
  adapter.config.set("num_layers", {info.layers});
  adapter.config.set("num_transformer_submodules", {int64_t{1}});
  adapter.config.set("num_virtual_tokens", {settings.prefix_length});
  adapter.config.set("peft_type", {std::string("PREFIX_TUNING")});
  adapter.config.set("peft_version", {std::string("0.21.2")});
  adapter.config.set("prefix_projection", {false});
  adapter.config.set("revision", {std::string()});
  adapter.config.set("task_type", {std::string("SEQ_CLS")});
  adapter.config.set("token_dim", {info.hidden_size});
  if (!settings.flat) {
    adapter.notes.emplace_back("the network behind the prefix is not in the file: peft saves the rows that it gives");
  }
  if (settings.dropout > 0)
    adapter.notes.emplace_back("peft has no dropout of the prefix: trained on there, it has none");
  adapter.tensors.emplace_back(kRows, rows_of(delta, settings, settings.layers(info)));
  return adapter;
}

ForeignAdapter write_hub(const MethodDelta& delta, const PrefixSettings& settings, const std::string& name,
                         const ModelInfo& info) {
  if (settings.shift_positions) {
    throw Error("prefix: AdapterHub's library leaves the positions alone and this prefix was trained with the first " +
                std::to_string(settings.prefix_length) +
                " of them (shift_positions = true); export to peft, or train with shift_positions = false");
  }
  ForeignAdapter adapter{"adapterhub", name, ConfigNode{ConfigNode::Table{}}, {}, {}, {}};
  ConfigNode::Array leave_out;
  for (const int64_t layer : settings.leave_out)
    leave_out.push_back({layer});
  adapter.config.set("architecture", {std::string("prefix_tuning")});
  adapter.config.set("bottleneck_size", {settings.bottleneck_size});
  adapter.config.set("cross_prefix", {true});
  adapter.config.set("dropout", {settings.dropout});
  adapter.config.set("encoder_prefix", {true});
  adapter.config.set("flat", {settings.flat});
  adapter.config.set("init_weights_seed", {std::string()});
  adapter.config.set("leave_out", {leave_out});
  adapter.config.set("non_linearity", {settings.non_linearity});
  adapter.config.set("prefix_length", {settings.prefix_length});
  adapter.config.set("shared_gating", {true});
  adapter.config.set("use_gating", {settings.gate});
  const std::vector<int64_t> layers = settings.layers(info);
  const std::string prefix = hub_prefix(name);
  for (const auto& [ours, theirs] : gates(settings, layers, name))
    adapter.tensors.emplace_back(theirs, delta.tensor(ours));
  if (settings.flat) {
    adapter.tensors.emplace_back(prefix + "control_trans", rows_of(delta, settings, layers).reshape({-1}));
    return adapter;
  }
  const std::string network = patch_of(layers.front(), settings.name) + "network.";
  const auto [weight, bias] = second_layer(delta, settings, layers);
  adapter.tensors.emplace_back(prefix + "wte.weight", delta.tensor(network + "wte"));
  adapter.tensors.emplace_back(prefix + "control_trans.0.weight", delta.tensor(network + "down_weight"));
  adapter.tensors.emplace_back(prefix + "control_trans.0.bias", delta.tensor(network + "down_bias"));
  adapter.tensors.emplace_back(prefix + "control_trans.2.weight", weight);
  adapter.tensors.emplace_back(prefix + "control_trans.2.bias", bias);
  return adapter;
}

}  // namespace

bool PrefixExchange::reads(const ForeignAdapter& adapter) const {
  if (adapter.format == "peft") return text_at(adapter.config, "peft_type") == "PREFIX_TUNING";
  return adapter.format == "adapterhub" && text_at(adapter.config, "architecture") == "prefix_tuning";
}

MethodDelta PrefixExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  return adapter.format == "peft" ? read_peft(adapter, tensors, base.info) : read_hub(adapter, tensors, base.info);
}

ForeignAdapter PrefixExchange::write(const MethodDelta& delta, const std::string& format, const std::string& name,
                                     const ExchangeBase& base) const {
  const PrefixSettings settings(ConfigView(delta.settings, {"strategy", "strategy 'prefix'", "", {}}));
  return format == "peft" ? write_peft(delta, settings, base.info) : write_hub(delta, settings, name, base.info);
}

}  // namespace plugtune::prefix
