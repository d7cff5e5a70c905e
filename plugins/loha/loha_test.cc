// loha_test.cc - LoHa against peft, both ways, folding, ranks of single sites, and every message.
#include "exchange.h"
#include "support/foreign_golden.h"
#include "support/merged.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::error_of_changed;
using testing::error_of_writing;
using testing::fresh_delta;
using testing::Golden;
using testing::make_strategy;
using testing::settings_read;
using testing::tiny_model;
using testing::tuned;

class LohaGolden : public testing::ForeignGoldenTest {};

TEST_P(LohaGolden, LogitsLossAndEveryGradientEqualPeft) { expect_logits_loss_and_gradients(); }
TEST_P(LohaGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }
TEST_P(LohaGolden, FoldedModelGivesTheLogitsOfPeftsMergedOne) { testing::expect_folded_equals_patched(golden, *model); }

TEST_P(LohaGolden, IsWrittenAsItWasRead) {
  // An expression becomes the list of the same modules, and a pattern the numbers of those that it means.
  const std::string layer0 = "encoder.layer.0.", layer1 = "encoder.layer.1.";
  const std::string query = "attention.self.query", down = "output.dense";
  const nlohmann::json patterns = {
      {"target_modules", {layer0 + down, layer1 + down, "query"}},
      {"rank_pattern", {{"query", nullptr}, {layer0 + query, 2}, {layer1 + query, 2}}},
      {"alpha_pattern", {{R"(layer\.1\..*)", nullptr}, {layer1 + query, 3}, {layer1 + down, 3}}}};
  expect_written_as_read(GetParam() == std::string("loha_patterns") ? patterns : nlohmann::json::object());
}

INSTANTIATE_TEST_SUITE_P(Peft, LohaGolden, ::testing::Values("loha_peft", "loha_patterns"),
                         [](const auto& info) { return std::string(info.param); });

class LohaTenSteps : public testing::ForeignGoldenTest {};
TEST_P(LohaTenSteps, EqualPefts) { expect_ten_steps(); }
INSTANTIATE_TEST_SUITE_P(Peft, LohaTenSteps, ::testing::Values("loha_peft"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Loha, FilesBecomeSettings) {
  EXPECT_EQ(settings_read("loha_peft"),
            (nlohmann::json{{"targets", {"query", "value", "ffn_up"}}, {"rank", 4}, {"alpha", 6}}));
  EXPECT_EQ(
      settings_read("loha_peft", {{"module_dropout", 0.5}, {"use_effective_conv2d", true}}),
      (nlohmann::json{{"targets", {"query", "value", "ffn_up"}}, {"rank", 4}, {"alpha", 6}, {"module_dropout", 0.5}}));
  EXPECT_EQ(settings_read("loha_peft", {{"target_modules", {"query", "key", "value", "intermediate.dense"}},
                                        {"exclude_modules", {"key"}}})["targets"],
            (nlohmann::json{"query", "value", "ffn_up"}));
  const std::string query0 = "encoder.layer.0.attention.self.query", query1 = "encoder.layer.1.attention.self.query";
  EXPECT_EQ(settings_read("loha_patterns"),
            (nlohmann::json{{"targets", {"query", "ffn_down"}},
                            {"rank", 4},
                            {"alpha", 6},
                            {"ranks", {{query0, 2}, {query1, 2}}},
                            {"alphas", {{query1, 3}, {"encoder.layer.1.output.dense", 3}}}}));
}

TEST(Loha, TellsOfADropoutThatItDoesNotHave) {
  testing::ForeignGolden foreign("loha_peft");
  foreign.adapter.config.set("rank_dropout", {0.5});
  const auto model = tiny_model();
  testing::read_adapter(foreign.adapter, testing::base_of(*model));
  EXPECT_EQ(
      foreign.adapter.notes,
      std::vector<std::string>({"rank_dropout = 0.5, which drops rows of the update in training alone, is left out"}));
}

TEST(Loha, StartsAsTheIdentity) {
  const Golden golden("full_classification");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  EXPECT_TRUE(testing::near(tuned({{"rank", 4}})->forward(golden.input("a")), bare, 0, 1e-7));
}

TEST(Loha, TheUpdateIsMergedForTheProduct) {
  testing::expect_merged_equals_called({{"targets", {"query", "ffn_down"}}, {"rank", 4}});
}

TEST(Loha, ADroppedModuleIsTheBareLayerAndOnlyInTraining) {
  torch::manual_seed(1);
  const auto model = tuned({{"targets", {"encoder.layer.0.attention.self.query"}}, {"module_dropout", 0.5}});
  const torch::NoGradGuard no_grad;
  for (auto& [key, parameter] : model->patch_parameters())
    parameter.normal_();
  LinearSite& site = model->linear(Role::kQuery, 0);
  const Tensor x = torch::randn({3, 32});
  const Tensor bare = torch::linear(x, site.weight, site.bias), whole = site.forward(x);
  EXPECT_FALSE(testing::near(whole, bare, 0, 1e-2));
  model->train();
  int64_t dropped = 0;
  for (int64_t pass = 0; pass < 400; ++pass) {
    const Tensor y = site.forward(x);
    const bool is_bare = testing::near(y, bare, 0);
    EXPECT_TRUE(is_bare || testing::near(y, whole, 0));
    dropped += is_bare;
  }
  EXPECT_NEAR(static_cast<double>(dropped), 200, 60);  // six deviations
}

TEST(Loha, RanksAndAlphasOfSingleSites) {
  const std::string query1 = "encoder.layer.1.attention.self.query";
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [key, tensor] : fresh_delta({{"rank", 4}, {"ranks", {{query1, 2}, {"value", 3}}}}))
    if (key.ends_with(".a1")) shapes[key] = tensor.sizes().vec();
  EXPECT_EQ(shapes,
            (std::map<std::string, std::vector<int64_t>>{{"encoder.layer.0.attention.self.query.loha.a1", {32, 4}},
                                                         {"encoder.layer.0.attention.self.value.loha.a1", {32, 3}},
                                                         {query1 + ".loha.a1", {32, 2}},
                                                         {"encoder.layer.1.attention.self.value.loha.a1", {32, 3}}}));
}

TEST(Loha, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy(nlohmann::json::object())->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 12 * 2 * 4 * 8 * 768);
}

TEST(Loha, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"rnak", 4}},
       "strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'loha': targets, layers, name, rank, alpha, "
       "ranks, alphas, module_dropout"},
      {{{"rank", 0}}, "strategy.rank: must be at least 1, got 0"},
      {{{"module_dropout", 1}}, "strategy.module_dropout: must be between 0 and 0.999999, got 1"},
      {{{"ranks", {{"query", 2.5}}}}, "strategy.ranks: must be whole numbers of at least 1, got 2.5 for 'query'"},
      {{{"alphas", {{"encoder.layer.7.*.query", 2}}}},
       "strategy.alphas: 'encoder.layer.7.*.query' matches none of the targets; their paths look like "
       "'encoder.layer.1.attention.self.value'"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

TEST(Loha, RefusesFilesThatSayWhatItCannot) {
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> cases = {
      {"loha_peft", {{"target_modules", nullptr}}, "adapter_config.json.target_modules: is required"},
      {"loha_peft",
       {{"target_modules", {"word_embeddings"}}},
       "adapter_config.json.target_modules: names no linear layer of BERT"},
      {"loha_peft",
       {{"use_scalar", true}},
       "adapter_config.json.use_scalar: is true, a setting that is not known here; the file would be read as something "
       "else than it is"},
      {"loha_peft",
       {{"rank_pattern", {{"value", 0.5}}}},
       "adapter_config.json.rank_pattern: must hold whole numbers of at least 1, got 0.5 for 'value'"},
      {"loha_peft",
       {{"rank_pattern", {{"0.intermediate.dense", 5}}}},
       "golden: tensor 'encoder.layer.0.intermediate.dense.hada_w1_a' has shape (64, 4), it must be (64, 5)\n"
       "golden: tensor 'encoder.layer.0.intermediate.dense.hada_w1_b' has shape (4, 32), it must be (5, 32)\n"
       "golden: tensor 'encoder.layer.0.intermediate.dense.hada_w2_a' has shape (64, 4), it must be (64, 5)\n"
       "golden: tensor 'encoder.layer.0.intermediate.dense.hada_w2_b' has shape (4, 32), it must be (5, 32)"},
      {"loha_patterns",
       {{"target_modules", {"query", "key"}}, {"layers_to_transform", 0}},
       "golden: tensor 'encoder.layer.0.attention.self.key.hada_w1_a' is missing\n"
       "golden: tensor 'encoder.layer.0.attention.self.key.hada_w1_b' is missing\n"
       "golden: tensor 'encoder.layer.0.attention.self.key.hada_w2_a' is missing\n"
       "golden: tensor 'encoder.layer.0.attention.self.key.hada_w2_b' is missing"},
  };
  for (const auto& [name, changes, text] : cases)
    EXPECT_EQ(error_of_changed(name, changes), text);
}

TEST(Loha, RefusesToWriteWhatALibraryCannotSay) {
  const nlohmann::json plain = nlohmann::json::object(), head = {{"targets", {"classifier"}}};
  EXPECT_EQ(error_of_writing(plain, fresh_delta(plain), "peft"), "");
  EXPECT_EQ(error_of_writing(plain, fresh_delta(plain), "adapterhub"),
            "loha: AdapterHub's library has no LoHa; export to peft or hf");
  EXPECT_EQ(error_of_writing(head, fresh_delta(head), "peft"),
            "loha: 'classifier.loha.a1' has no name in the libraries' files, which have the head whole; train without "
            "that target, or merge");
  EXPECT_EQ(error_of_writing(head, {}, "peft"), "loha: the targets of this delta match no layer of its base");
}

TEST(Loha, ReadsItsOwnOnly) {
  testing::ForeignGolden foreign("loha_peft");
  EXPECT_TRUE(loha::LohaExchange().reads(foreign.adapter));
  foreign.adapter.config.set("peft_type", {std::string("LOKR")});
  EXPECT_FALSE(loha::LohaExchange().reads(foreign.adapter));
}

}  // namespace
}  // namespace plugtune
