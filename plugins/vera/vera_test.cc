// vera_test.cc - VeRA against peft, folding, what is shared, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;
using testing::tuned;

class VeraGolden : public ::testing::Test {
 protected:
  VeraGolden()
      : golden("vera_peft"),
        model(tuned({{"rank", 12}, {"targets", {"query", "value", R"(/.*output\.dense/)"}}})) {
    testing::train_head(*model);
    testing::take_start(golden, *model);
    const torch::NoGradGuard no_grad;
    for (auto& [key, buffer] : model->patch_buffers())
      buffer.copy_(golden.at(key.ends_with(".a") ? "fixed/base_model.vera_A" : "fixed/base_model.vera_B"));
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
};

TEST_F(VeraGolden, LogitsLossAndEveryGradientEqualPeft) { testing::expect_golden_pass(golden, *model); }
TEST_F(VeraGolden, TenStepsEqualPefts) { testing::expect_ten_steps(golden, *model); }
TEST_F(VeraGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

TEST_F(VeraGolden, FoldedModelGivesTheLogitsOfPeftsMergedOne) {
  model->fold();
  EXPECT_TRUE(model->patched_sites().empty());
  EXPECT_TRUE(near_golden(golden, "merged_logits", model->forward(golden.input("a"))));
}

TEST_F(VeraGolden, TheDeltaHasTheSharedMatricesOnce) {
  std::vector<std::string> keys;
  for (const auto& [key, buffer] : model->patch_buffers())
    keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"encoder.layer.0.attention.self.query.vera.a",
                                            "encoder.layer.0.attention.self.query.vera.b"}));
}

TEST(Vera, StartsAsTheIdentity) {
  const Golden golden("full_classification");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  EXPECT_TRUE(testing::near(tuned({{"rank", 4}})->forward(golden.input("a")), bare, 0, 1e-7));
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

}  // namespace
}  // namespace plugtune
