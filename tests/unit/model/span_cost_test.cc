// span_cost_test.cc - floors of spans by hand, and the products that the nominal arithmetic of a step is made of.
#include "model/span_cost.h"

#include <gtest/gtest.h>

#include "model/nominal_flop.h"
#include "plugtune/plugtune.h"
#include "support/golden.h"

namespace plugtune::model {
namespace {

class Empty final : public LinearPatch {
 public:
  explicit Empty(const LinearSite& site) {
    register_parameter("a", torch::zeros({2, site.in_features()}));
    register_parameter("b", torch::zeros({site.out_features(), 2}));
    register_parameter("scale", torch::zeros({site.out_features()}));
  }
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x); }
};

class SpanCostTest : public ::testing::Test {
 protected:
  SpanCost cost(const std::string& name) const { return span_cost(*model_, name, work_, sizeof(float)); }

  std::shared_ptr<Bert> model_ = testing::tiny_model();  // 2 layers of 32, 64 wide
  SpanWork work_{.calls = 2, .rows = 10, .gradient_rows = 10, .pairs = 30, .gradient_pairs = 20};
};

TEST_F(SpanCostTest, AFrozenProductIsDoneAgainForTheGradientOfItsInput) {
  const SpanCost frozen = cost("encoder.layer.1.intermediate.dense");
  EXPECT_EQ(frozen.forward.flop, 10 * 2 * 32 * 64);
  EXPECT_EQ(frozen.backward.flop, 10 * 2 * 32 * 64);
  EXPECT_EQ(frozen.forward.bytes, 4 * (10 * (32 + 64) + 2 * 32 * 64));  // rows, and the weight in each of two calls
  EXPECT_EQ(frozen.backward.bytes, frozen.forward.bytes);
  work_.gradient_rows = 0;
  EXPECT_EQ(cost("encoder.layer.1.intermediate.dense").backward.flop, 0);
  EXPECT_EQ(cost("encoder.layer.1.intermediate.dense").backward.bytes, 0);
}

TEST_F(SpanCostTest, AWeightThatTrainsCostsAProductMore) {
  model_->train_base("encoder.layer.1.output.dense.weight");
  const SpanCost both = cost("encoder.layer.1.output.dense");
  EXPECT_EQ(both.backward.flop, 2 * both.forward.flop);
  EXPECT_EQ(both.backward.bytes, both.forward.bytes + 2 * 2 * 4 * 32 * 64);  // its gradient is read and written
}

TEST_F(SpanCostTest, APatchHasTheProductsOfItsMatrices) {
  LinearSite& site = model_->linear(Role::kQuery, 0);
  site.attach("empty", std::make_shared<Empty>(site));
  const SpanCost patch = cost("encoder.layer.0.attention.self.query.empty");
  EXPECT_EQ(patch.forward.flop, 10 * 2 * 2 * (32 + 32));
  EXPECT_EQ(patch.backward.flop, 2 * patch.forward.flop);
  work_.gradient_rows = 0;
  EXPECT_EQ(cost("encoder.layer.0.attention.self.query.empty").backward.flop,
            patch.forward.flop);                                                  // of the weights alone
  EXPECT_EQ(cost("encoder.layer.1.attention.self.query.empty").forward.flop, 0);  // there is none
}

TEST_F(SpanCostTest, NeighboursThatAreComputedAsOneCostWhatTheyCost) {
  const std::string path = "encoder.layer.0.attention.self.";
  const SpanCost all = cost(path + "{query,key,value}"), one = cost(path + "key");
  EXPECT_EQ(all.forward.flop, 3 * one.forward.flop);
  EXPECT_EQ(all.backward.bytes, 3 * one.backward.bytes);
}

TEST_F(SpanCostTest, AttentionIsCountedByPairsAndOthersByPassesOverTheirRows) {
  EXPECT_EQ(cost("encoder.layer.0.attention.self").forward.flop, 4 * 32 * 30);
  EXPECT_EQ(cost("encoder.layer.0.attention.self").backward.flop, 8 * 32 * 20);
  EXPECT_EQ(cost("encoder.layer.0.output.LayerNorm").forward.bytes, 3 * 4 * 32 * 10);
  EXPECT_EQ(cost("encoder.layer.0.intermediate.activation").backward.bytes, 3 * 4 * 64 * 10);
  EXPECT_EQ(cost("embeddings").forward.bytes, 2 * 4 * 32 * 10);
  EXPECT_EQ(cost("embeddings.word_embeddings").backward.bytes, 0);  // frozen
  EXPECT_EQ(cost(kUpdateSpan).forward.bytes, 7 * 4 * 10);
  EXPECT_EQ(cost("loss").forward.bytes, 0);
  EXPECT_EQ(span_cost(*model_, "embeddings", work_, 2).forward.bytes, 2 * 2 * 32 * 10);
}

TEST_F(SpanCostTest, NominalArithmeticOfARowIsThatOfTheLayersProducts) {
  for (const auto& [name, parameter] : model_->base_parameters())
    model_->train_base(name);
  double products = 0;
  for_each_product(*model_, [&](const std::string& path, const RowProducts& row) {
    if (path.starts_with("encoder.layer.")) products += 2 * row.forward + row.weight_gradients;
  });
  EXPECT_EQ(products, 3.0 * 2 * 2 * (4 * 32 * 32 + 2 * 32 * 64));
  EXPECT_EQ(nominal_flop_per_row(*model_, 7), products + 3.0 * 2 * 4 * 7 * 32);
}

}  // namespace
}  // namespace plugtune::model
