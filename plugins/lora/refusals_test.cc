// refusals_test.cc - what LoRA's exchange does not take over, and the whole text that says so.
#include "foreign_file_test.h"

namespace plugtune {
namespace {

using namespace lora_test;
using testing::error_of;

constexpr const char* kUnknown =
    ", a setting that is not known here; the file would be read as something else than it is";
constexpr const char* kConvert =
    "; save it again with peft's path_initial_model_for_weight_conversion, which writes plain LoRA";

std::string refusal(const std::string& golden_case, const std::string& format, const Json& changes) {
  Foreign file(golden_case, format);
  for (const auto& [key, value] : changes.items())
    file.adapter.config.set(key, testing::config_node(value));
  return error_of([&] { file.read(); });
}

TEST(LoraRefusal, FieldsOfPeftThatChangeTheArithmetic) {
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"lora_bias", true}}, std::string("lora_bias: is true") + kUnknown},
      {{{"use_qalora", true}}, std::string("use_qalora: is true") + kUnknown},
      {{{"fan_in_fan_out", true}}, std::string("fan_in_fan_out: is true") + kUnknown},
      {{{"use_bdlora", {{"nblocks", 2}}}}, std::string("use_bdlora: is {...}") + kUnknown},
      {{{"kasa_config", {{"beta", 0.1}}}}, std::string("kasa_config: is {...}") + kUnknown},
      {{{"velora_config", {{"rank", 1}}}}, std::string("velora_config: is {...}") + kUnknown},
      {{{"monteclora_config", {{"num_samples", 8}}}}, std::string("monteclora_config: is {...}") + kUnknown},
      {{{"arrow_config", {{"top_k", 3}}}}, std::string("arrow_config: is {...}") + kUnknown},
      {{{"megatron_config", {{"x", 1}}}}, std::string("megatron_config: is {...}") + kUnknown},
      {{{"alora_invocation_tokens", {1, 2}}}, std::string("alora_invocation_tokens: is [...]") + kUnknown},
      {{{"trainable_token_indices", {7}}}, std::string("trainable_token_indices: is [...]") + kUnknown},
      {{{"layer_replication", {{0, 1}}}}, std::string("layer_replication: is [...]") + kUnknown},
      {{{"target_parameters", {"experts"}}}, std::string("target_parameters: is [...]") + kUnknown},
      {{{"ensure_weight_tying", true}}, std::string("ensure_weight_tying: is true") + kUnknown},
      {{{"of_tomorrow", "fast"}}, std::string("of_tomorrow: is \"fast\"") + kUnknown},
  };
  for (const auto& [changes, text] : cases)
    EXPECT_EQ(refusal("lora_qv", "peft", changes), "adapter_config.json." + text);
}

TEST(LoraRefusal, ValuesOfPeftThatAreWrong) {
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"use_dora", "yes"}}, "use_dora: must be true or false, got \"yes\""},
      {{{"r", 0}}, "r: must be at least 1, got 0"},
      {{{"lora_alpha", "8"}}, "lora_alpha: must be a number, got \"8\""},
      {{{"bias", "some"}}, "bias: must be one of none, all, lora_only, got \"some\""},
      {{{"target_modules", 3}}, "target_modules: must be an array of strings, got 3"},
      {{{"target_modules", {"q_proj"}}}, "target_modules: names no linear layer and no word embedding of BERT"},
      {{{"target_modules", "query"}}, "target_modules: names no linear layer and no word embedding of BERT"},
      {{{"layers_to_transform", {9}}}, "target_modules: names no linear layer and no word embedding of BERT"},
      {{{"rank_pattern", {{"query", 2.5}}}},
       "rank_pattern: must hold whole numbers of at least 1, got 2.5 for 'query'"},
      {{{"rank_pattern", {{"(?<=f)query", 2}}}},
       "rank_pattern: '(?<=f)query' is a regular expression that only Python reads"},
      {{{"alpha_pattern", {{"(?P<n>query)", 2}}}},
       "alpha_pattern: '(?P<n>query)' is a regular expression that only Python reads"},
      {{{"exclude_modules", "(?i)KEY"}}, "exclude_modules: '(?i)KEY' is a regular expression that only Python reads"},
  };
  for (const auto& [changes, text] : cases)
    EXPECT_EQ(refusal("lora_qv", "peft", changes), "adapter_config.json." + text);

  Foreign file("lora_qv", "peft");
  std::erase_if(std::get<ConfigNode::Table>(file.adapter.config.value),
                [](const auto& entry) { return entry.first == "target_modules"; });
  EXPECT_EQ(error_of([&] { file.read(); }), "adapter_config.json.target_modules: is required");
}

TEST(LoraRefusal, BasesThatWereChangedInWaysThatCannotBeRepeated) {
  const std::vector<std::pair<Json, std::string>> cases = {
      {"pissa_niter_16",
       std::string(
           "is \"pissa_niter_16\": the base was changed at the start by a random decomposition, which cannot be "
           "repeated") +
           kConvert},
      {"corda", std::string("is \"corda\": the base was changed at the start by statistics of data that are not in the "
                            "file") +
                    kConvert},
      {"lora_ga", std::string("is \"lora_ga\": the base was changed at the start by statistics of data that are not in "
                              "the file") +
                      kConvert},
      {"loftq", "is \"loftq\": the base was replaced by a quantised one; merge the adapter with peft instead"},
      {"better", "is \"better\": an initialisation that is not known here; it may have changed the base"},
      {5, "must be a boolean or a string"},
  };
  for (const auto& [init, text] : cases) {
    EXPECT_EQ(refusal("lora_qv", "peft", {{"init_lora_weights", init}}),
              "adapter_config.json.init_lora_weights: " + text);
  }
}

TEST(LoraRefusal, TheWordEmbeddingHasNoDecomposedStart) {
  EXPECT_EQ(
      refusal("lora_words", "peft", {{"init_lora_weights", "pissa"}}),
      "adapter_config.json.init_lora_weights: is of linear layers only, and target_modules name the word embedding");
}

TEST(LoraRefusal, TensorsThatAreMissingOrOfAnotherShape) {
  const std::string query = "encoder.layer.0.attention.self.query", value = "encoder.layer.1.attention.self.value";
  EXPECT_EQ(refusal("lora_qv", "peft", {{"target_modules", {"query", "value", "key"}}, {"layers_to_transform", {0}}}),
            "weights: tensor 'encoder.layer.0.attention.self.key.lora_A.weight' is missing\n"
            "weights: tensor 'encoder.layer.0.attention.self.key.lora_B.weight' is missing");
  EXPECT_EQ(refusal("lora_qv", "peft", {{"rank_pattern", {{"1.attention.self.value", 2}}}}),
            "weights: tensor '" + value + ".lora_A.weight' has shape (4, 32), it must be (2, 32)\n" +
                "weights: tensor '" + value + ".lora_B.weight' has shape (32, 4), it must be (32, 2)");
  EXPECT_EQ(refusal("lora_hub_leave_out", "adapterhub", {{"output_lora", true}}),
            "weights: tensor 'encoder.layer.1.output.dense.loras.golden.lora_A' is missing\n"
            "weights: tensor 'encoder.layer.1.output.dense.loras.golden.lora_B' is missing");
  // Too many: left unread, for the host to refuse.
  Foreign file("lora_qv", "peft");
  file.adapter.config.set("target_modules", testing::config_node({"value"}));
  ForeignTensors tensors("weights", file.adapter.tensors);
  lora::LoraExchange().read(file.adapter, tensors, tiny_base());
  EXPECT_EQ(tensors.unread().size(), 4u);
  EXPECT_EQ(tensors.unread().front(), query + ".lora_A.weight");
}

TEST(LoraRefusal, FieldsOfAdaptersThatAreOtherMethods) {
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"use_gating", true}},
       "use_gating: is true: a gate computed from the whole sequence scales the update there; LoRA has none"},
      {{{"use_dora", true}},
       "use_dora: is true: what adapters calls DoRA computes something else than DoRA (it scales the layer's bias too, "
       "and "
       "its norm leaves alpha / r out); train it again with peft or here"},
      {{{"vera_d", 0.1}}, "vera_d: is set: VeRA trains vectors around matrices that all layers share; it is not LoRA"},
      {{{"composition_mode", "multiply"}}, "composition_mode: must be one of add, got \"multiply\""},
      {{{"attn_matrices", {"q", "o"}}}, "attn_matrices: must name q, k or v, got \"o\""},
      {{{"leave_out", {0, 1}}}, "leave_out: leaves out every layer of the model: nothing is tuned"},
      {{{"selfattn_lora", false}}, "selfattn_lora: is false, and no other place has an update: nothing is tuned"},
      {{{"n_up_projection", 2}}, std::string("n_up_projection: is 2") + kUnknown},
  };
  for (const auto& [changes, text] : cases)
    EXPECT_EQ(refusal("lora_hub_qkv", "adapterhub", changes), "adapter_config.json.config." + text);
}

TEST(LoraRefusal, DeltasThatAFormatCannotHold) {
  const std::string instead = "; export as peft, or merge";
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"targets", {"query", "classifier"}}},
       "adapterhub: the classifier is a head there and cannot have a low-rank update; train without the target "
       "'classifier', or merge"},
      {{{"targets", {"query", "attention_output"}}},
       "adapterhub: a LoRA there can be at query, key, value, intermediate.dense and output.dense, got "
       "'encoder.layer.0.attention.output.dense'" +
           instead},
      {{{"targets", {"word_embeddings"}}},
       "adapterhub: a LoRA there can be at query, key, value, intermediate.dense and output.dense, got "
       "'embeddings.word_embeddings'" +
           instead},
      {{{"dora", true}}, "adapterhub: what adapters calls DoRA computes something else than DoRA" + instead},
      {{{"bias", "lora_only"}},
       "adapterhub: a LoRA has no place for trained biases there (bias = \"lora_only\")" + instead},
      {{{"ranks", {{"value", 2}}}},
       "adapterhub: a LoRA has one rank and one alpha there; 'encoder.layer.0.attention.self.value' has others than "
       "'encoder.layer.0.attention.self.query'" +
           instead},
      {{{"alphas", {{"encoder.layer.1.attention.self.query", 2}}}},
       "adapterhub: a LoRA has one rank and one alpha there; 'encoder.layer.1.attention.self.query' has others than "
       "'encoder.layer.0.attention.self.query'" +
           instead},
      {{{"exclude", {"encoder.layer.1.attention.self.value"}}},
       "adapterhub: a LoRA has the same places in each layer there; 'encoder.layer.1.attention.self.value' has no "
       "update, "
       "but its place in another layer has" +
           instead},
  };
  for (const auto& [settings, text] : cases) {
    const MethodDelta delta{.settings = testing::config_node(settings), .tensors = {}, .sources = {}};
    EXPECT_EQ(error_of([&] { lora::LoraExchange().write(delta, "adapterhub", "name", tiny_base()); }), text);
  }
  const auto write = [](const Json& settings, const std::string& format) {
    const MethodDelta delta{.settings = testing::config_node(settings), .tensors = {}, .sources = {}};
    return error_of([&] { lora::LoraExchange().write(delta, format, "name", tiny_base()); });
  };
  EXPECT_EQ(write({{"targets", {"classifier"}}}, "peft"),
            "peft: the classifier is a head there and cannot have a low-rank update; train without the target "
            "'classifier', or merge");
  EXPECT_EQ(write(Json::object(), "peft"),
            "delta of strategy 'lora': has no tensor 'encoder.layer.0.attention.self.query.lora.update.a'");
  EXPECT_EQ(write(Json::object(), "onnx"), "onnx: LoRA is written as peft or adapterhub");
}

}  // namespace
}  // namespace plugtune
