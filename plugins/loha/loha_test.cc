// loha_test.cc - LoHa against peft, folding, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;
using testing::tuned;

class LohaGolden : public ::testing::Test {
 protected:
  LohaGolden()
      : golden("loha_peft"),
        model(tuned({{"rank", 4}, {"alpha", 6}, {"targets", {"query", "value", "ffn_up"}}})) {
    testing::train_head(*model);
    testing::take_start(golden, *model);
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
};

TEST_F(LohaGolden, LogitsLossAndEveryGradientEqualPeft) { testing::expect_golden_pass(golden, *model); }
TEST_F(LohaGolden, TenStepsEqualPefts) { testing::expect_ten_steps(golden, *model); }
TEST_F(LohaGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

TEST_F(LohaGolden, FoldedModelGivesTheLogitsOfPeftsMergedOne) {
  model->fold();
  EXPECT_TRUE(model->patched_sites().empty());
  EXPECT_TRUE(near_golden(golden, "merged_logits", model->forward(golden.input("a"))));
}

TEST(Loha, StartsAsTheIdentity) {
  const Golden golden("full_classification");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  EXPECT_TRUE(testing::near(tuned({{"rank", 4}})->forward(golden.input("a")), bare, 0, 1e-7));
}

TEST(Loha, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy(nlohmann::json::object())->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 12 * 2 * 4 * 8 * 768);
}

TEST(Loha, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"rnak", 4}},
       "strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'loha': targets, layers, name, rank, alpha"},
      {{{"rank", 0}}, "strategy.rank: must be at least 1, got 0"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

}  // namespace
}  // namespace plugtune
