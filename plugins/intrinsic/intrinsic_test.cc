// intrinsic_test.cc - the papers' formula (tests/golden/generate_intrinsic.py), what P is, folding, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::near;
using testing::tiny_model;
using testing::tuned;

class IntrinsicGolden : public ::testing::TestWithParam<const char*> {
 protected:
  IntrinsicGolden() : golden(GetParam()), model(tuned(golden.description().at("settings"))) {
    testing::train_head(*model);
    testing::take_start(golden, *model);
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
};

TEST_P(IntrinsicGolden, LogitsLossAndEveryGradientEqualTheFormulas) { testing::expect_golden_pass(golden, *model); }
TEST_P(IntrinsicGolden, TenStepsEqualTheFormulas) { testing::expect_ten_steps(golden, *model); }
TEST_P(IntrinsicGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

TEST_P(IntrinsicGolden, FoldedModelGivesTheSameLogits) {
  model->fold();
  EXPECT_TRUE(model->patched_sites().empty());
  EXPECT_TRUE(near_golden(golden, "logits", model->forward(golden.input("a"))));
}

INSTANTIATE_TEST_SUITE_P(Formula, IntrinsicGolden,
                         ::testing::Values("intrinsic_plain", "intrinsic_structure_aware", "intrinsic_one"),
                         [](const auto& info) { return std::string(info.param).substr(10); });

/// P in full, (D, d) in double: what the strategy would add to weights that are zero when theta is each unit vector.
Tensor projection(nlohmann::json settings) {
  settings["structure_aware"] = false;
  const auto model = tuned(settings);
  Tensor theta = model->patch_parameters().front().second;
  std::vector<Tensor> columns;
  const torch::NoGradGuard no_grad;
  for (int64_t i = 0; i < theta.size(0); ++i) {
    theta.zero_();
    theta[i] = 1;
    std::vector<Tensor> moves;
    for (const LinearSite* site : model->all_linear()) {
      if (site->bare()) continue;
      Tensor weight = torch::zeros({site->out_features(), site->in_features()}, torch::kFloat64), bias;
      dynamic_cast<const Foldable&>(*site->patches().front().second).fold(weight, bias);
      moves.push_back(weight.flatten());
    }
    columns.push_back(torch::cat(moves));
  }
  return torch::stack(columns, 1);
}

TEST(Intrinsic, ColumnsOfTheProjectionAreNearlyOrthonormal) {
  for (const int64_t dimension : {5, 16, 40}) {
    const Tensor p = projection({{"dimension", dimension}});
    EXPECT_EQ(p.sizes(), (std::vector<int64_t>{2 * (4 * 32 * 32 + 2 * 32 * 64), dimension}));
    const Tensor products = torch::matmul(p.t(), p);
    const Tensor identity = torch::eye(dimension, torch::kFloat64);
    EXPECT_TRUE(near(products.diagonal(), identity.diagonal(), 0, 1e-5)) << dimension;  // all blocks are whole: exact
    EXPECT_LT(testing::largest(products - identity), 0.06) << dimension;                // five of 1 / sqrt(D / 2)'s
  }
}

TEST(Intrinsic, BlocksThatAreCutKeepTheirLengthOnAverage) {
  // 1024 weights a site are not a multiple of 4096 = n: each has a quarter of one block.
  const Tensor p = projection({{"dimension", 2100}, {"targets", {"query", "value"}}});
  EXPECT_NEAR(p.square().sum(0).mean().item<double>(), 1, 1e-2);
}

TEST(Intrinsic, TheSeedAloneMakesTheProjection) {
  const auto with = [](uint64_t torch_seed, int64_t seed) {
    torch::manual_seed(torch_seed);
    return projection({{"dimension", 4}, {"seed", seed}, {"layers", "1"}});
  };
  const Tensor p = with(1, 3);
  EXPECT_TRUE(torch::equal(with(2, 3), p));
  EXPECT_LT(testing::largest(torch::matmul(with(1, 4).t(), p)), 0.1);  // nothing in common
}

TEST(Intrinsic, TheDeltaIsTheNumbersAlone) {
  const auto model = tuned({{"dimension", 10}});
  EXPECT_TRUE(model->patch_buffers().empty());
  std::map<std::string, int64_t> sizes;
  for (const auto& [key, parameter] : model->patch_parameters())
    sizes.emplace(key, parameter.numel());
  EXPECT_EQ(sizes, (std::map<std::string, int64_t>{{"encoder.layer.0.attention.self.query.intrinsic.scale", 1},
                                                   {"encoder.layer.0.attention.self.query.intrinsic.theta", 8},
                                                   {"encoder.layer.1.attention.self.query.intrinsic.scale", 1}}));
}

TEST(Intrinsic, StartsAsTheIdentity) {
  const Golden golden("full_classification");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  EXPECT_TRUE(near(tuned({{"dimension", 10}})->forward(golden.input("a")), bare, 0, 1e-7));
}

TEST(Intrinsic, EveryLayerComputesInTheTypeThatTheModelIsConvertedTo) {
  const Golden golden("full_classification");
  const auto model = tuned({{"dimension", 10}});
  for (const auto type : {torch::kBFloat16, torch::kFloat64}) {
    model->to(type);
    EXPECT_EQ(model->forward(golden.input("a")).scalar_type(), type);
  }
}

TEST(Intrinsic, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy(nlohmann::json{{"targets", {"query"}}})->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 1000);
}

TEST(Intrinsic, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"dimensions", 4}},
       "strategy.dimensions: unknown key; did you mean 'dimension'? keys of strategy 'intrinsic': targets, layers, "
       "name, dimension, seed, structure_aware"},
      {{{"dimension", 0}}, "strategy.dimension: must be at least 1, got 0"},
      {{{"dimension", 2}}, "strategy.dimension: must be between 3 and 16384 for these targets, got 2"},
      {{{"dimension", 1025}, {"structure_aware", false}, {"targets", {"query"}}, {"layers", "0"}},
       "strategy.dimension: must be between 1 and 1024 for these targets, got 1025"},
      {{{"seed", -1}}, "strategy.seed: must be between 0 and 4294967295, got -1"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

}  // namespace
}  // namespace plugtune
