// mixture_test.cc - the mixture against its formula in float64, what it must not change, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using nlohmann::json;
using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::near;
using testing::tiny_model;

/// A finished run's LoRA, as [[strategy]] from puts it on a layer: frozen.
class FrozenLora final : public LinearPatch {
 public:
  FrozenLora(const Tensor& a, const Tensor& b, double scale) : scale_(scale) {
    a_ = register_parameter("a", a, /*requires_grad=*/false);
    b_ = register_parameter("b", b, /*requires_grad=*/false);
  }
  Tensor forward(const Tensor& x, const LinearNext& next) override {
    return next(x) + scale_ * torch::linear(torch::linear(x, a_), b_);
  }

 private:
  Tensor a_, b_;  // (r, in), (out, r)
  double scale_;
};

/// Runs a and b of the golden mixture. Both are called "lora", so b's is "lora_2" where a's is.
void put_golden_runs(const Golden& golden, model::Bert& model) {
  for (const auto& [run, settings] : golden.description().at("settings").at("runs").items()) {
    for (LinearSite* site : model.all_linear()) {
      const std::string members = "fixed/bert." + site->info().path + ".members." + run + ".lora_";
      if (!golden.tensors().contains(members + "A")) continue;
      const double rank = settings.at("rank"), alpha = settings.at("alpha");
      const double own_alpha = settings.at("alphas").value(role_name(site->info().role), alpha);
      const double scale = own_alpha / (settings.at("rank_stabilized") ? std::sqrt(rank) : rank);
      site->attach("lora", std::make_shared<FrozenLora>(golden.at(members + "A"), golden.at(members + "B"), scale));
    }
  }
}

class MixtureGolden : public ::testing::Test {
 protected:
  MixtureGolden() : golden("mixture_loras"), model(tiny_model()), strategy(make_strategy({{"width", 5}})) {
    put_golden_runs(golden, *model);
    strategy->apply(*model);
    testing::train_head(*model);
    testing::take_start(golden, *model);
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
  const std::unique_ptr<Strategy> strategy;
};

TEST_F(MixtureGolden, LogitsLossAndEveryGradientAreTheFormulas) { testing::expect_golden_pass(golden, *model); }
TEST_F(MixtureGolden, TenStepsAreTheFormulas) { testing::expect_ten_steps(golden, *model); }
TEST_F(MixtureGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

TEST_F(MixtureGolden, MembersAreInTheDeltaOnceAndGetNoGradientWhereTheyAreFrozen) {
  model->forward(golden.input("a")).sum().backward();
  size_t members = 0;
  for (const auto& [key, parameter] : model->patch_parameters()) {
    const bool is_member = key.find(".lora") != std::string::npos;
    members += is_member;
    EXPECT_EQ(parameter.grad().defined(), !is_member) << key;
  }
  EXPECT_EQ(members, 2u * 2 * (3 + 2));  // A and B, in two layers, at three places of a and two of b
}

TEST_F(MixtureGolden, ReportsTheMeanAttentionToEachPatchAtEachLayer) {
  auto* reporter = dynamic_cast<Reporter*>(strategy.get());
  LinearSite& query = model->linear(Role::kQuery, 0);
  torch::NoGradGuard no_grad;
  const Tensor x = torch::randn({7, 32});
  query.forward(x);  // before the report begins: not counted
  reporter->report_begin();
  model->train();
  query.forward(x);  // training: not counted
  model->eval();
  query.forward(x);
  model->linear(Role::kFfnDown, 0).forward(torch::randn({4, 64}));
  const std::vector<ReportTable> tables = reporter->report_end();
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].title, "Mixture: mean attention to each method");
  EXPECT_EQ(tables[0].columns, std::vector<std::string>({"lora", "lora_2"}));
  std::vector<std::string> rows;
  for (const char* layer : {"encoder.layer.0.", "encoder.layer.1."})
    for (const char* place : {"attention.self.query", "attention.self.value", "output.dense"})
      rows.push_back(std::string(layer) + place);
  EXPECT_EQ(tables[0].rows, rows);
  std::map<std::string, Tensor> w;
  for (const auto& parameter : query.named_parameters())
    w[parameter.key()] = parameter.value().to(torch::kFloat64);
  const auto update = [&](const std::string& member, double scale) {
    const Tensor inner = torch::matmul(x.to(torch::kFloat64), w.at(member + ".a").t());
    return torch::matmul(torch::matmul(inner, w.at(member + ".b").t()), w.at("mixture.key_weight").t()) * scale;
  };
  const Tensor q = torch::linear(x.to(torch::kFloat64), w.at("mixture.query_weight"), w.at("mixture.query_bias"));
  const Tensor scores =
      torch::stack({(q * update("lora", 8.0 / 4)).sum(1), (q * update("lora_2", 3 / std::sqrt(2.0))).sum(1)}, 1);
  Tensor expected = torch::zeros({6, 2}, torch::kFloat64);  // 0: no row came by
  expected[0] = torch::softmax(scores, 1).mean(0);
  expected[2][0] = 1;
  EXPECT_TRUE(near(tables[0].values, expected, 0, 1e-5));
}

/// Random matrices at each of these roles, of a run of its own.
void put_random_run(model::Bert& model, const std::vector<Role>& roles) {
  for (LinearSite* site : model.all_linear()) {
    if (std::ranges::find(roles, site->info().role) == roles.end()) continue;
    const Tensor a = torch::randn({4, site->in_features()}) * 0.3, b = torch::randn({site->out_features(), 4}) * 0.3;
    site->attach("lora", std::make_shared<FrozenLora>(a, b, /*scale=*/4));
  }
}

/// Everything that the mixture learns is random, but for v.
void randomize_attention(const model::Bert& model) {
  for (auto& [key, parameter] : model.patch_parameters())
    if (parameter.requires_grad() && !key.ends_with(".scale")) parameter.data().normal_(0, 0.3);
}

TEST(Mixture, OfOneMethodIsThatMethod) {
  torch::manual_seed(2);
  const auto model = tiny_model();
  put_random_run(*model, {Role::kQuery, Role::kFfnUp});
  const Golden golden("full_classification");
  const Tensor alone = model->forward(golden.input("a"));
  make_strategy()->apply(*model);
  EXPECT_TRUE(near(model->forward(golden.input("a")), alone, 0, 1e-5));
  EXPECT_EQ(testing::trainable_count(*model), 2 * (32 + 64));  // v alone: there is nothing to choose
}

TEST(Mixture, OfEqualMethodsIsEachOfThemWhateverTheAttention) {
  const auto model = tiny_model();
  const Golden golden("full_classification");
  Tensor alone;
  for (int member = 0; member < 3; ++member) {
    torch::manual_seed(2);
    put_random_run(*model, {Role::kQuery, Role::kFfnDown});
    if (member == 0) alone = model->forward(golden.input("a"));
  }
  make_strategy()->apply(*model);
  randomize_attention(*model);
  EXPECT_TRUE(near(model->forward(golden.input("a")), alone, 0, 1e-5));
}

TEST(Mixture, StartsAsTheMeanOfTheUpdatesWhateverTheSeed) {
  const Golden golden("full_classification");
  const std::vector<Role> roles = {Role::kQuery};
  const auto with_both = [&] {
    torch::manual_seed(2);
    auto model = tiny_model();
    put_random_run(*model, roles);
    put_random_run(*model, roles);
    return model;
  };
  const auto mean =
      with_both();  // one behind another they add up: W x + (u_1 + u_2); each of half the size is the mean
  torch::NoGradGuard no_grad;
  for (auto& [key, parameter] : mean->patch_parameters())
    if (key.ends_with(".b")) parameter.mul_(0.5);
  const Tensor expected = mean->forward(golden.input("a"));
  for (const uint64_t seed : {1, 2}) {
    const auto model = with_both();
    torch::manual_seed(seed);
    make_strategy()->apply(*model);
    EXPECT_TRUE(near(model->forward(golden.input("a")), expected, 0, 1e-5));
  }
}

/// Methods of two other kinds: one changes what goes in, one what comes out.
class ScaledInput final : public LinearPatch {
 public:
  explicit ScaledInput(const LinearSite& site) {
    l_ = register_parameter("l", torch::rand({site.in_features()}) + 0.5);
  }
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x * l_); }
  Tensor l_;
};
class ShiftedOutput final : public LinearPatch {
 public:
  explicit ShiftedOutput(const LinearSite& site) { d_ = register_parameter("d", torch::randn({site.out_features()})); }
  Tensor forward(const Tensor& x, const LinearNext& next) override { return torch::tanh(next(x)) + d_; }
  Tensor d_;
};

TEST(Mixture, MixesWhateverIsOnALayerEachByItself) {
  torch::manual_seed(4);
  const auto model = tiny_model();
  LinearSite& site = model->linear(Role::kFfnUp, 1);
  const auto scaled = std::make_shared<ScaledInput>(site);
  const auto shifted = std::make_shared<ShiftedOutput>(site);
  site.attach("scaled", scaled);
  site.attach("shifted", shifted);
  const auto strategy = make_strategy();
  strategy->apply(*model);
  EXPECT_EQ(model->patched_sites(), std::vector<std::string>({site.info().path + ": scaled, shifted, mixture"}));
  randomize_attention(*model);
  std::map<std::string, Tensor> w;
  for (const auto& parameter : site.named_parameters())
    w[parameter.key()] = parameter.value().to(torch::kFloat64);
  const Tensor x = torch::randn({7, 32}), x64 = x.to(torch::kFloat64);
  const auto base = [&](const Tensor& rows) { return torch::linear(rows, w["weight"], w["bias"]); };
  const Tensor y = base(x64);
  const std::vector<Tensor> u = {base(x64 * w["scaled.l"]) - y, torch::tanh(y) + w["shifted.d"] - y};
  const Tensor q = torch::linear(x64, w["mixture.query_weight"], w["mixture.query_bias"]);
  std::vector<Tensor> scores;
  for (const Tensor& update : u)
    scores.push_back((q * torch::linear(update, w["mixture.key_weight"])).sum(1));
  const Tensor p = torch::softmax(torch::stack(scores, 1), 1);
  const Tensor expected =
      y + w["mixture.scale"] * (p.select(1, 0).unsqueeze(1) * u[0] + p.select(1, 1).unsqueeze(1) * u[1]);
  const Tensor mixed = site.forward(x);
  EXPECT_TRUE(near(mixed, expected, 0, 1e-5));
  // Members that train get their gradients through the mixture.
  mixed.sum().backward();
  EXPECT_TRUE(scaled->l_.grad().any().item<bool>());
  EXPECT_TRUE(shifted->d_.grad().any().item<bool>());
}

TEST(Mixture, CountsOfTheMultilingualModel) {
  const auto model = std::make_shared<model::Bert>(testing::base_sizes());
  for (int run = 0; run < 2; ++run)
    put_random_run(*model, {Role::kQuery, Role::kValue});
  make_strategy()->apply(*model);
  EXPECT_EQ(testing::trainable_count(*model), 1198848);
}

TEST(Mixture, SaysWhatIsMissingAndWhatItDoesNotKnow) {
  EXPECT_EQ(error_of([] { make_strategy()->apply(*tiny_model()); }),
            "strategy 'mixture': there is nothing to mix: no strategy in front of it is on a linear layer; write "
            "[[strategy]] from = \"RUN\" in front of it for each finished run");
  EXPECT_EQ(error_of([] {
              make_strategy({{"sources", {"runs/a", "runs/b"}}});
            }),
            "strategy.sources: unknown key; keys of strategy 'mixture': width, name");
  EXPECT_EQ(error_of([] {
              make_strategy({{"wdith", 4}, {"width", 0}});
            }),
            "strategy.width: must be at least 1, got 0\n"
            "strategy.wdith: unknown key; did you mean 'width'? keys of strategy 'mixture': width, name");
}

}  // namespace
}  // namespace plugtune
