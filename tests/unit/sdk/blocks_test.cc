// blocks_test.cc - the blocks that plugins share: low-rank updates against loralib, bottlenecks, adapters' settings.
#include "plugtune/plugtune.h"
#include "support/golden.h"

namespace plugtune {
namespace {

using testing::Golden;
using testing::near;

/// One layer of tests/golden/loralib_layers: its tensors without the layer's name, and its sizes.
class LoralibLayer {
 public:
  explicit LoralibLayer(std::string name) : golden_("loralib_layers"), name_(std::move(name)) {}
  Tensor operator[](const std::string& key) const { return golden_.at(name_ + "/" + key); }
  bool has(const std::string& key) const { return golden_.tensors().contains(name_ + "/" + key); }
  int64_t size(const char* key) const { return sizes().value(key, int64_t{0}); }
  LowRankOptions options() const { return {.rank = size("r"), .alpha = sizes().at("alpha").get<double>()}; }

 private:
  const nlohmann::json& sizes() const { return golden_.description().at("settings").at(name_); }
  Golden golden_;
  std::string name_;
};

/// Takes the library's A and B, then compares output, gradients, and the weight merged and unmerged again.
/// @param apply   (weight, update) -> output with the update beside the weight
/// @param merged  weight -> output of the plain layer
template <class Update, class Apply, class Plain>
void expect_loralib(const LoralibLayer& layer, Update& update, const Apply& apply, const Plain& plain) {
  {
    torch::NoGradGuard no_grad;
    update.a.copy_(layer["lora_A"]);
    update.b.copy_(layer["lora_B"]);
  }
  const Tensor output = apply(layer["weight"]);
  EXPECT_TRUE(near(output, layer["output"], 0, 1e-6));
  output.backward(layer["grad_output"]);
  EXPECT_TRUE(near(update.a.grad(), layer["grad/lora_A"], 0, 1e-6));
  EXPECT_TRUE(near(update.b.grad(), layer["grad/lora_B"], 0, 1e-6));

  Tensor weight = layer["weight"];
  update.merge(weight);
  EXPECT_TRUE(near(weight, layer["merged_weight"], 0, 1e-6));
  EXPECT_TRUE(near(weight, layer["weight"] + update.delta(), 0, 1e-6));
  EXPECT_TRUE(near(plain(weight), layer["merged_output"], 0, 1e-6));
  update.unmerge(weight);
  EXPECT_TRUE(near(weight, layer["unmerged_weight"], 0, 1e-6));
  EXPECT_TRUE(near(apply(weight), layer["unmerged_output"], 0, 1e-6));
}

TEST(LowRank, LinearEqualsLoralibAlsoMergedAndUnmerged) {
  for (const char* name : {"linear", "linear_one_rank"}) {
    const LoralibLayer layer(name);
    LowRankLinear update(layer.size("in"), layer.size("out"), layer.options());
    const Tensor bias = layer.has("bias") ? layer["bias"] : Tensor();
    const auto plain = [&](const Tensor& weight) { return torch::linear(layer["input"], weight, bias); };
    expect_loralib(
        layer, update, [&](const Tensor& weight) { return update.add_to(plain(weight), layer["input"]); }, plain);
  }
}

TEST(LowRank, EmbeddingEqualsLoralibAlsoMergedAndUnmerged) {
  const LoralibLayer layer("embedding");
  LowRankEmbedding update(layer.size("words"), layer.size("hidden"), layer.options());
  const auto plain = [&](const Tensor& weight) { return torch::embedding(weight, layer["input"]); };
  expect_loralib(
      layer, update, [&](const Tensor& weight) { return update.add_to(plain(weight), layer["input"]); }, plain);
}

TEST(LowRank, Conv2dEqualsLoralibAlsoMergedAndUnmerged) {
  for (const char* name : {"conv2d", "conv2d_groups"}) {
    const LoralibLayer layer(name);
    LowRankConv2d update(layer.size("in"), layer.size("out"), layer.size("kernel"), layer.size("groups"),
                         layer.options());
    const auto plain = [&](const Tensor& weight) {
      return torch::conv2d(layer["input"], weight, layer["bias"], layer.size("stride"), layer.size("padding"),
                           /*dilation=*/1, layer.size("groups"));
    };
    expect_loralib(
        layer, update, [&](const Tensor& weight) { return plain(weight + update.delta()); }, plain);
  }
}

TEST(LowRank, AddsNothingAtTheStart) {
  const LowRankOptions options;
  EXPECT_EQ(testing::largest(LowRankLinear(6, 5, options).delta()), 0);
  EXPECT_EQ(testing::largest(LowRankEmbedding(6, 5, options).delta()), 0);
  EXPECT_EQ(testing::largest(LowRankConv2d(4, 6, 3, 2, options).delta()), 0);
}

TEST(LowRank, ScaleIsAlphaOverRankOrItsRoot) {
  EXPECT_EQ(low_rank_scale({.rank = 16, .alpha = 8}), 0.5);
  EXPECT_EQ(low_rank_scale({.rank = 16, .alpha = 8, .rank_stabilized = true}), 2);
  try {
    low_rank_scale({.rank = 0});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "rank: must be at least 1, got 0");
  }
}

TEST(LowRank, MergesInTheTypeOfTheWeight) {
  torch::manual_seed(1);
  LowRankLinear update(64, 64, {.rank = 8, .alpha = 3});
  update.b.data().normal_();
  Tensor weight = torch::randn({64, 64}, torch::kFloat64);
  const Tensor expected =
      weight + torch::matmul(update.b.to(torch::kFloat64), update.a.to(torch::kFloat64)) * (3.0 / 8);
  update.merge(weight);
  EXPECT_TRUE(near(weight, expected, 0, 1e-15));
}

TEST(Bottleneck, WidthIsPythonsFloorDivision) {
  EXPECT_EQ(bottleneck_width(768, 16), 48);
  EXPECT_EQ(bottleneck_width(768, 96), 8);
  EXPECT_EQ(bottleneck_width(32, 96), 1);
  EXPECT_EQ(bottleneck_width(100, 16), 6);
  EXPECT_EQ(bottleneck_width(32, 0.5), 64);
  EXPECT_EQ(bottleneck_width(768, 0.1), 7679);  // python3 -c 'print(768 // 0.1)'
  EXPECT_EQ(bottleneck_width(768, 1.1), 698);
}

TEST(Bottleneck, ActivationsThatNoGoldenNames) {
  const Tensor x = torch::linspace(-8, 8, 33);
  const std::vector<std::pair<std::string, Tensor>> cases = {
      {"quick_gelu", x * torch::sigmoid(x * 1.702)},
      {"mish", x * torch::tanh(torch::softplus(x))},
      {"relu2", torch::relu(x) * torch::relu(x)},
      {"relu6", torch::clamp(x, 0, 6)},
      {"gelu_pytorch_tanh", 0.5 * x * (1 + torch::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)))},
      {"silu", x * torch::sigmoid(x)},
      {"leaky_relu", torch::where(x > 0, x, 0.01 * x)},
      {"linear", x},
  };
  for (const auto& [name, expected] : cases)
    EXPECT_TRUE(near(activation(name)(x), expected, 0, 1e-6)) << name;
  for (const std::string& name : activation_names())
    EXPECT_TRUE(activation(name)(x).defined()) << name;
}

TEST(Bottleneck, AnUnknownActivationIsAnsweredWithTheNearest) {
  try {
    activation("gellu");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "activation: there is no 'gellu'; did you mean 'gelu'? activations: relu, gelu, gelu_new, gelu_pytorch_tanh, "
        "quick_gelu, swish, silu, mish, tanh, leakyrelu, leaky_relu, relu2, relu6, sigmoid, linear");
  }
}

TEST(Bottleneck, LearnedScalesStartAtOne) {
  const BottleneckOptions fixed{.hidden_size = 8, .width = 4};
  EXPECT_FALSE(Bottleneck(fixed).scaling.defined());
  BottleneckOptions learned = fixed;
  learned.scaling_kind = Scaling::kLearned;
  EXPECT_TRUE(torch::equal(Bottleneck(learned).scaling, torch::ones({1})));
  learned.scaling_kind = Scaling::kChannel;
  EXPECT_TRUE(torch::equal(Bottleneck(learned).scaling, torch::ones({8})));
}

/// A patch of a linear layer that does nothing.
class Nothing final : public LinearPatch {
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x); }
};

TEST(OneProduct, IsOfTheInnermostPatchAndOfWideTypes) {
  const auto model = testing::tiny_model();
  LinearSite& site = *model->all_linear().front();
  const auto inner = std::make_shared<Nothing>(), outer = std::make_shared<Nothing>();
  const Tensor x = torch::zeros({2, site.in_features()});
  EXPECT_FALSE(may_multiply_once(site, *inner, x));  // not attached
  site.attach("inner", inner);
  site.attach("outer", outer);
  EXPECT_TRUE(may_multiply_once(site, *inner, x));
  EXPECT_TRUE(may_multiply_once(site, *inner, x.to(torch::kFloat64)));
  EXPECT_FALSE(may_multiply_once(site, *inner, x.to(torch::kBFloat16)));
  EXPECT_FALSE(may_multiply_once(site, *outer, x));
}

TEST(AdapterSettings, ResolvedSettingsReadBackAreTheSame) {
  const ConfigNode::Table by_layer = {{"0", {int64_t{8}}}, {"default", {int64_t{16}}}};
  const std::vector<ConfigNode::Table> tables = {
      {},
      {{"config", {std::string("adapter_plus")}}},
      {{"config", {std::string("houlsby")}},
       {"reduction_factor", {by_layer}},
       {"leave_out", {ConfigNode::Array{{int64_t{1}}}}}},
      {{"residual_before_ln", {std::string("post_add")}}, {"scaling", {0.5}}},
  };
  for (const ConfigNode::Table& table : tables) {
    const ConfigView given(ConfigNode{table});
    AdapterSettings first(given);
    given.reject_unknown();
    const ConfigView again(given.resolved());
    AdapterSettings second(again);
    again.reject_unknown();
    ASSERT_EQ(second.reduction_factor, first.reduction_factor);
    EXPECT_EQ(second.leave_out, first.leave_out);
    EXPECT_EQ(second.mh_adapter, first.mh_adapter);
    const AdapterBlockOptions a = first.block(0, 32), b = second.block(0, 32);
    EXPECT_EQ(a.bottleneck.width, b.bottleneck.width);
    EXPECT_EQ(a.bottleneck.scaling, b.bottleneck.scaling);
    EXPECT_EQ(a.bottleneck.scaling_kind, b.bottleneck.scaling_kind);
    EXPECT_EQ(a.bottleneck.init, b.bottleneck.init);
    EXPECT_EQ(a.residual, b.residual);
    EXPECT_EQ(a.original_ln_after, b.original_ln_after);
    EXPECT_EQ(a.stochastic_depth, b.stochastic_depth);
  }
}

}  // namespace
}  // namespace plugtune
