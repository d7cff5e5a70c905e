// exchange.cc - prompts in the files of peft 0.21 (tuners/prompt_tuning) and AdapterHub's library 1.3 (methods/prompt_tuning.py).
#include "exchange.h"

#include <algorithm>

#include "settings.h"

namespace plugtune::prompt {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kVectors = "prompt_embeddings";

MethodDelta read_peft(ForeignAdapter& adapter, ForeignTensors& tensors, const ModelInfo& info) {
  const ConfigView config(adapter.config, {kConfigFile, "peft's prompt tuning", "", {}});
  const int64_t length = config.integer("num_virtual_tokens", 0, /*min=*/1);
  if (!config.has("num_virtual_tokens")) config.problem("num_virtual_tokens", "must be a whole number, it is missing");
  check_measure(config, "token_dim", info.hidden_size);
  check_measure(config, "num_layers", info.layers);
  check_measure(config, "num_attention_heads", info.heads);
  check_measure(config, "num_transformer_submodules", 1);
  const std::string init = config.choice("prompt_tuning_init", "RANDOM", {"RANDOM", "SAMPLE_VOCAB", "TEXT"});
  if (init == "TEXT") adapter.notes.emplace_back("the text that the prompt started from is not kept");
  // How training started, and what the host reads.
  reject_unknown_fields(
      config, adapter.config,
      {"auto_mapping", "base_model_name_or_path", "inference_mode", "modules_to_save", "peft_type", "peft_version",
       "prompt_tuning_init_text", "revision", "task_type", "tokenizer_kwargs", "tokenizer_name_or_path"});
  MethodDelta delta{ConfigNode{ConfigNode::Table{}}, {}, {}};
  delta.settings.set("prompt_length", {length});
  delta.settings.set("place", {std::string("words")});
  delta.settings.set("prompt_init", {std::string(init == "SAMPLE_VOCAB" ? "sample_vocab" : "normal")});
  delta.tensors.emplace_back("embeddings.prompt.vectors", tensors.take(kVectors, {length, info.hidden_size}));
  return delta;
}

std::string hub_key(const std::string& name) {
  return "prompt_tuning.prompt_tunings." + name + ".prompt_embedding.weight";
}

MethodDelta read_hub(ForeignAdapter& adapter, ForeignTensors& tensors, const ModelInfo& info) {
  const ConfigView config(adapter.config, {kConfigFile, "prompt tuning of AdapterHub's library", "", {}});
  const int64_t length = config.integer("prompt_length", 10, /*min=*/1);
  const std::string combine = config.choice("combine", "prefix", {"prefix", "prefix_after_bos"});
  if (config.choice("prompt_init", "random_uniform", {"random_uniform", "from_string"}) == "from_string")
    adapter.notes.emplace_back("the text that the prompt started from is not kept");
  reject_unknown_fields(config, adapter.config, {"architecture", "init_weights_seed", "prompt_init_text", "version"});
  MethodDelta delta{ConfigNode{ConfigNode::Table{}}, {}, {}};
  delta.settings.set("prompt_length", {length});
  delta.settings.set("place", {std::string("embeddings")});
  delta.settings.set("combine", {combine});
  delta.tensors.emplace_back("encoder.prompt.vectors", tensors.take(hub_key(adapter.name), {length, info.hidden_size}));
  return delta;
}

Tensor vectors_of(const MethodDelta& delta, const PromptSettings& settings) {
  const std::string key = site_of(settings) + "." + settings.name + ".vectors";
  return delta.tensor(key);
}

ForeignAdapter write_peft(const Tensor& vectors, const PromptSettings& settings, const ModelInfo& info) {
  if (!settings.among_words) {
    throw Error(
        "prompt: peft puts it in front of the word vectors, and this one was trained behind the embeddings' "
        "LayerNorm (place = \"embeddings\"); export to adapterhub, or train with place = \"words\"");
  }
  ForeignAdapter adapter{"peft", "", ConfigNode{ConfigNode::Table{}}, {}, {}, {}};
  adapter.config.set("auto_mapping", {std::string()});
  adapter.config.set("base_model_name_or_path", {std::string()});
  adapter.config.set("inference_mode", {true});
  adapter.config.set("modules_to_save", {ConfigNode::Array{{std::string("classifier")}, {std::string("score")}}});
  adapter.config.set("num_attention_heads", {info.heads});
  adapter.config.set("num_layers", {info.layers});
  adapter.config.set("num_transformer_submodules", {int64_t{1}});
  adapter.config.set("num_virtual_tokens", {settings.prompt_length});
  adapter.config.set("peft_type", {std::string("PROMPT_TUNING")});
  adapter.config.set("peft_version", {std::string("0.21.2")});
  adapter.config.set("prompt_tuning_init",
                     {std::string(settings.prompt_init == "sample_vocab" ? "SAMPLE_VOCAB" : "RANDOM")});
  adapter.config.set("prompt_tuning_init_text", {std::string()});
  adapter.config.set("revision", {std::string()});
  adapter.config.set("task_type", {std::string("SEQ_CLS")});
  adapter.config.set("token_dim", {info.hidden_size});
  adapter.config.set("tokenizer_kwargs", {std::string()});
  adapter.config.set("tokenizer_name_or_path", {std::string()});
  adapter.tensors.emplace_back(kVectors, vectors);
  return adapter;
}

ForeignAdapter write_hub(const Tensor& vectors, const PromptSettings& settings, const std::string& name) {
  if (settings.among_words) {
    throw Error(
        "prompt: AdapterHub's library puts it behind the embeddings' LayerNorm, and this one was trained in front of "
        "the word vectors (place = \"words\"); export to peft, or train with place = \"embeddings\"");
  }
  ForeignAdapter adapter{"adapterhub", name, ConfigNode{ConfigNode::Table{}}, {}, {}, {}};
  adapter.config.set("architecture", {std::string("prompt_tuning")});
  adapter.config.set("combine", {std::string(settings.after_bos ? "prefix_after_bos" : "prefix")});
  adapter.config.set("init_weights_seed", {std::string()});
  adapter.config.set("prompt_init", {std::string("random_uniform")});
  adapter.config.set("prompt_init_text", {std::string()});
  adapter.config.set("prompt_length", {settings.prompt_length});
  adapter.tensors.emplace_back(hub_key(name), vectors);
  return adapter;
}

}  // namespace

bool PromptExchange::reads(const ForeignAdapter& adapter) const {
  if (adapter.format == "peft") return text_at(adapter.config, "peft_type") == "PROMPT_TUNING";
  return adapter.format == "adapterhub" && text_at(adapter.config, "architecture") == "prompt_tuning";
}

MethodDelta PromptExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  return adapter.format == "peft" ? read_peft(adapter, tensors, base.info) : read_hub(adapter, tensors, base.info);
}

ForeignAdapter PromptExchange::write(const MethodDelta& delta, const std::string& format, const std::string& name,
                                     const ExchangeBase& base) const {
  const PromptSettings settings(ConfigView(delta.settings, {"strategy", "strategy 'prompt'", "", {}}));
  const Tensor vectors = vectors_of(delta, settings);
  return format == "peft" ? write_peft(vectors, settings, base.info) : write_hub(vectors, settings, name);
}

}  // namespace plugtune::prompt
