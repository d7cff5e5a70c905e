// vera_test.cc - VeRA against peft, both ways, folding, what is shared, and every message.
#include <cmath>

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

class VeraGolden : public testing::ForeignGoldenTest {};

TEST_P(VeraGolden, LogitsLossAndEveryGradientEqualPeft) { expect_logits_loss_and_gradients(); }
TEST_P(VeraGolden, TenStepsEqualPefts) { expect_ten_steps(); }
TEST_P(VeraGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }
TEST_P(VeraGolden, FoldedModelGivesTheLogitsOfPeftsMergedOne) { testing::expect_folded_equals_patched(golden, *model); }
TEST_P(VeraGolden, IsWrittenAsItWasRead) { expect_written_as_read(); }

TEST_P(VeraGolden, TheDeltaHasTheSharedMatricesOnce) {
  std::vector<std::string> keys;
  for (const auto& [key, buffer] : model->patch_buffers())
    keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"encoder.layer.0.attention.self.query.vera.a",
                                            "encoder.layer.0.attention.self.query.vera.b"}));
}

INSTANTIATE_TEST_SUITE_P(Peft, VeraGolden, ::testing::Values("vera_peft"),
                         [](const auto& info) { return std::string(info.param); });

/// The library draws the matrices again when it loads such a file, and so do we: to the bit.
class VeraDrawn : public testing::ForeignGoldenTest {};
TEST_P(VeraDrawn, GivesTheLogitsOfPeft) {
  expect_logits_loss_and_gradients();
  EXPECT_EQ(
      foreign.adapter.notes,
      std::vector<std::string>({"the random matrices are not in the file (save_projection = false); they are drawn "
                                "again from projection_prng_key = 7, as peft does when it loads the file"}));
}
INSTANTIATE_TEST_SUITE_P(Peft, VeraDrawn, ::testing::Values("vera_drawn"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Vera, FilesBecomeRolesWhereTheyCan) {
  EXPECT_EQ(settings_read("vera_peft"),
            (nlohmann::json{{"targets", {"query", "value", "attention_output", "ffn_down"}}, {"rank", 12}}));
  EXPECT_EQ(settings_read("vera_peft", {{"vera_dropout", 0.25}, {"projection_prng_key", 3}})["dropout"], 0.25);
  EXPECT_EQ(settings_read("vera_drawn"),
            (nlohmann::json{{"targets", {"key", "ffn_up"}}, {"layers", "1"}, {"rank", 5}, {"d_initial", 0.2}}));
}

TEST(Vera, AWideProjectionIsMergedForTheProduct) {
  testing::expect_merged_equals_called({{"targets", {"query", "ffn_down"}}, {"rank", 96}});
}

TEST(Vera, StartsAsTheIdentity) {
  const Golden golden("full_classification");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  EXPECT_TRUE(testing::near(tuned({{"rank", 4}})->forward(golden.input("a")), bare, 0, 1e-7));
}

TEST(Vera, TheMatricesAreAsWideAsPeftsAtTheStart) {
  // Uniform in +-sqrt(6 / fan_in): of A the widest input, of B the rank.
  const auto model = tuned({{"rank", 16}, {"targets", {"query", "ffn_down"}}});
  for (const auto& [key, buffer] : model->patch_buffers()) {
    const double bound = std::sqrt(6.0 / (key.ends_with(".a") ? 64 : 16));
    EXPECT_LE(testing::largest(buffer), bound) << key;
    EXPECT_GT(testing::largest(buffer), 0.95 * bound) << key;
  }
}

TEST(Vera, EveryLayerComputesInTheTypeThatTheModelIsConvertedTo) {
  const Golden golden("full_classification");
  const auto model = tuned({{"rank", 4}});
  model->to(torch::kBFloat16);
  EXPECT_EQ(model->forward(golden.input("a")).scalar_type(), torch::kBFloat16);
}

TEST(Vera, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy(nlohmann::json::object())->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 12 * 2 * (768 + 256));
}

TEST(Vera, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"rnak", 4}},
       "strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'vera': targets, layers, name, rank, "
       "d_initial, "
       "dropout"},
      {{{"rank", 0}}, "strategy.rank: must be at least 1, got 0"},
      {{{"dropout", 1}}, "strategy.dropout: must be between 0 and 0.999999, got 1"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

TEST(Vera, RefusesFilesThatSayWhatItCannot) {
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> cases = {
      {"vera_peft", {{"target_modules", nullptr}}, "adapter_config.json.target_modules: is required"},
      {"vera_peft",
       {{"target_modules", {"classifier"}}},
       "adapter_config.json.target_modules: names no linear layer of BERT"},
      {"vera_peft", {{"bias", "all"}}, "adapter_config.json.bias: is \"all\": biases do not train with VeRA here"},
      {"vera_peft",
       {{"fan_in_fan_out", true}},
       "adapter_config.json.fan_in_fan_out: is true, a setting that is not known here; the file would be read as "
       "something else than it is"},
      {"vera_peft",
       {{"r", 13}, {"target_modules", {"query"}}, {"layers_to_transform", {0}}},
       "golden: tensor 'vera_A' has shape (12, 64), it must be (13, 32)\n"
       "golden: tensor 'vera_B' has shape (32, 12), it must be (32, 13)\n"
       "golden: tensor 'encoder.layer.0.attention.self.query.vera_lambda_d' has shape (12), it must be (13)"},
      {"vera_drawn",
       {{"save_projection", true}},
       "golden: tensor 'vera_A' is missing\ngolden: tensor 'vera_B' is missing"},
      {"vera_drawn",
       {{"projection_prng_key", -1}},
       "adapter_config.json.projection_prng_key: must be at least 0, got -1"},
  };
  for (const auto& [name, changes, text] : cases)
    EXPECT_EQ(error_of_changed(name, changes), text);
}

TEST(Vera, MatricesThatTheLibraryWouldNotUseAreLeftUnread) {
  testing::ForeignGolden foreign("vera_peft");
  foreign.adapter.config.set("save_projection", {false});
  const auto model = tiny_model();
  ForeignTensors tensors("golden", foreign.adapter.tensors);
  vera::VeraExchange().read(foreign.adapter, tensors, testing::base_of(*model));
  EXPECT_EQ(tensors.unread(), (std::vector<std::string>{"vera_A", "vera_B"}));
}

TEST(Vera, RefusesToWriteWhatALibraryCannotSay) {
  const nlohmann::json everywhere = {{"rank", 4}, {"targets", {"query", "classifier"}}};
  EXPECT_EQ(error_of_writing({{"rank", 4}}, fresh_delta({{"rank", 4}}), "peft"), "");
  EXPECT_EQ(
      error_of_writing({{"rank", 4}}, fresh_delta({{"rank", 4}}), "adapterhub"),
      "vera: what AdapterHub's library calls VeRA trains whole matrices where VeRA has vectors; export to peft or "
      "hf");
  EXPECT_EQ(error_of_writing(everywhere, fresh_delta(everywhere), "peft"),
            "vera: 'classifier.vera.lambda_b' has no name in the libraries' files, which have the head whole; train "
            "without that target, or merge");
  EXPECT_EQ(
      error_of_writing({{"rank", 4}}, {}, "peft"),
      "the delta has no tensor 'encoder.layer.0.attention.self.query.vera.a', as its settings say; it is damaged");
}

TEST(Vera, ReadsItsOwnOnly) {
  testing::ForeignGolden foreign("vera_peft");
  EXPECT_TRUE(vera::VeraExchange().reads(foreign.adapter));
  foreign.adapter.config.set("peft_type", {std::string("LORA")});
  EXPECT_FALSE(vera::VeraExchange().reads(foreign.adapter));
}

}  // namespace
}  // namespace plugtune
