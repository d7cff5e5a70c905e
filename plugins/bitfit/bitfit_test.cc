// bitfit_test.cc - LayerNorm tuning against peft, both ways; biases against transformers; what trains; every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::error_of_changed;
using testing::error_of_writing;
using testing::fresh_delta;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;
using testing::tuned;

class LayerNormGolden : public testing::ForeignGoldenTest {};

TEST_P(LayerNormGolden, LogitsLossAndEveryGradientEqualPeft) { expect_logits_loss_and_gradients(); }
TEST_P(LayerNormGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }
TEST_P(LayerNormGolden, FileIsWrittenAsItWasRead) {
  // Ends of paths become whole paths.
  const std::map<std::string, nlohmann::json> other = {
      {"layernorm_some",
       {{"target_modules",
         {"encoder.layer.0.attention.output.LayerNorm", "encoder.layer.1.attention.output.LayerNorm",
          "encoder.layer.1.output.LayerNorm"}}}},
  };
  expect_written_as_read(other.contains(GetParam()) ? other.at(GetParam()) : nlohmann::json::object());
}

INSTANTIATE_TEST_SUITE_P(Peft, LayerNormGolden, ::testing::Values("layernorm_peft", "layernorm_some"),
                         [](const auto& info) { return std::string(info.param); });

class LayerNormTenSteps : public testing::ForeignGoldenTest {};
TEST_P(LayerNormTenSteps, EqualPeft) { expect_ten_steps(); }
INSTANTIATE_TEST_SUITE_P(Peft, LayerNormTenSteps, ::testing::Values("layernorm_peft"),
                         [](const auto& info) { return std::string(info.param); });

TEST(BitFit, LogitsLossAndEveryGradientEqualTransformers) {
  const Golden golden("bitfit_bias");
  const auto model = tuned({});
  testing::train_head(*model);
  std::set<std::string> peers;
  for (const auto& [key, tensor] : golden.tensors())
    if (key.starts_with("grad/")) peers.insert(testing::bare_name(key.substr(5)));
  std::set<std::string> ours;
  for (const auto& [key, parameter] : testing::trainables(*model))
    ours.insert(key);
  EXPECT_EQ(ours, peers);
  testing::expect_golden_pass(golden, *model);
}

TEST(BitFit, TenStepsEqualTransformers) {
  const Golden golden("bitfit_bias");
  const auto model = tuned({});
  testing::train_head(*model);
  Tensor losses, norms;
  const train::FlatOptimizer optimizer = testing::ten_steps(golden, *model, losses, norms);
  EXPECT_TRUE(near_golden(golden, "losses", losses, 2e-5));
  EXPECT_TRUE(near_golden(golden, "grad_norms", norms, 2e-5));
  for (const auto& [key, tensor] : golden.tensors()) {
    if (!key.starts_with("final/") || key.ends_with("key.bias"))
      continue;  // the softmax does not see it: rounding noise
    EXPECT_TRUE(near_golden(golden, key, optimizer.master(testing::bare_name(key.substr(6))), 2e-5));
  }
}

TEST(BitFit, StartsAsTheIdentity) {
  const Golden golden("full_classification");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  EXPECT_TRUE(testing::near(tuned({{"what", {"bias", "layer_norm"}}})->forward(golden.input("a")), bare, 0, 0));
}

using Names = std::set<std::string>;

TEST(BitFit, TrainsWhatItIsTold) {
  EXPECT_EQ(tuned({})->trained_base().size(),
            1u + 2 * 8 + 1);  // the embeddings' LayerNorm, eight in a layer, the pooler
  EXPECT_EQ(tuned({{"what", "layer_norm"}})->trained_base().size(), 2 * (1u + 2 * 2));
  EXPECT_EQ(tuned({{"what", {"bias", "layer_norm"}}})->trained_base().size(), 18u + 5);
  EXPECT_EQ(tuned({{"targets", {"query", "ffn_up"}}, {"layers", "1"}})->trained_base(),
            (Names{"encoder.layer.1.attention.self.query.bias", "encoder.layer.1.intermediate.dense.bias"}));
  EXPECT_EQ(tuned({{"what", "layer_norm"}, {"targets", {"embeddings.LayerNorm", "after_ffn"}}})->trained_base(),
            (Names{"embeddings.LayerNorm.bias", "embeddings.LayerNorm.weight", "encoder.layer.0.output.LayerNorm.bias",
                   "encoder.layer.0.output.LayerNorm.weight", "encoder.layer.1.output.LayerNorm.bias",
                   "encoder.layer.1.output.LayerNorm.weight"}));
  EXPECT_EQ(tuned({{"layers", "0"}, {"targets", {"attention_output", "after_attention"}}})->trained_base(),
            (Names{"encoder.layer.0.attention.output.LayerNorm.bias", "encoder.layer.0.attention.output.dense.bias"}));
  EXPECT_EQ(tuned({{"layers", "0-1"}})->trained_base().size(), 2u * 8);
  EXPECT_EQ(tuned({{"layers", "0"}, {"targets", {"query", "pooler", "embeddings.LayerNorm"}}})->trained_base(),
            (Names{"embeddings.LayerNorm.bias", "encoder.layer.0.attention.self.query.bias", "pooler.dense.bias"}));
}

TEST(BitFit, CountsOfTheMultilingualModel) {
  model::Bert biases(testing::base_sizes()), norms(testing::base_sizes());
  make_strategy(nlohmann::json::object())->apply(biases);
  EXPECT_EQ(testing::trainable_count(biases), 102912 - 12 * 3071);  // the feed-forward is 1 wide here, not 3072
  make_strategy(nlohmann::json{{"what", "layer_norm"}})->apply(norms);
  EXPECT_EQ(testing::trainable_count(norms), 38400);
}

TEST(BitFit, SaysWhatIsWrongWithItsSettings) {
  const std::string roles =
      "roles: query, key, value, attention_output, after_attention, ffn_up, ffn_down, after_ffn, pooler";
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"waht", "bias"}},
       "strategy.waht: unknown key; did you mean 'what'? keys of strategy 'bitfit': what, targets, layers"},
      {{{"what", {"biases"}}}, "strategy.what: must be of bias and layer_norm, got \"biases\"; did you mean 'bias'?"},
      {{{"what", nlohmann::json::array()}}, "strategy.what: must name bias, layer_norm or both"},
      {{{"targets", {"querry"}}},
       "strategy.targets: nothing of what trains is in 'querry'; did you mean 'query'?; " + roles},
      {{{"what", "layer_norm"}, {"targets", {"query"}}},
       "strategy.targets: nothing of what trains is in 'query'; roles: after_attention, after_ffn"},
      {{{"layers", "1-2"}}, "strategy.layers: the model has layers 0 to 1, got 2"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

TEST(BitFit, RefusesFilesThatSayWhatItCannot) {
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> cases = {
      {"layernorm_peft", {{"target_modules", nullptr}}, "adapter_config.json.target_modules: is required"},
      {"layernorm_peft",
       {{"target_modules", {"query"}}},
       "adapter_config.json.target_modules: names no LayerNorm of a BERT"},
      {"layernorm_peft",
       {{"target_modules", "("}},
       "adapter_config.json.target_modules: '(' is a regular expression that only Python reads"},
      {"layernorm_peft",
       {{"new_arithmetic", true}},
       "adapter_config.json.new_arithmetic: is true, a setting that is not known here; the file would be read as "
       "something "
       "else than it is"},
      {"layernorm_some",
       {{"target_modules", ".*\\.output\\.LayerNorm"}},
       "golden: tensor 'encoder.layer.0.output.LayerNorm.ln_tuning_layers.weight' is missing\n"
       "golden: tensor 'encoder.layer.0.output.LayerNorm.ln_tuning_layers.bias' is missing"},
  };
  for (const auto& [name, changes, text] : cases)
    EXPECT_EQ(error_of_changed(name, changes), text);
}

TEST(BitFit, RefusesToWriteWhatALibraryCannotSay) {
  const nlohmann::json biases = nlohmann::json::object(), norms = {{"what", "layer_norm"}};
  EXPECT_EQ(error_of_writing(biases, fresh_delta(biases), "peft"),
            "bitfit: peft has no adapter of trained biases alone (it has one of LayerNorms); merge, or export to hf");
  EXPECT_EQ(
      error_of_writing(biases, fresh_delta(biases), "adapterhub"),
      "bitfit: AdapterHub's library has no adapter of the encoder's own biases and LayerNorms; merge, or export to hf");
  EXPECT_EQ(
      error_of_writing(norms, fresh_delta(norms), "adapterhub"),
      "bitfit: AdapterHub's library has no adapter of the encoder's own biases and LayerNorms; merge, or export to hf "
      "or peft");
  EXPECT_EQ(error_of_writing(norms, {}, "peft"), "bitfit: the run has no tensor 'embeddings.LayerNorm.weight'");
}

}  // namespace
}  // namespace plugtune
