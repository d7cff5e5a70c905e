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

/// What a run's table says when every default is filled in, as far as it matters here.
json full_settings(const json& given) {
  json settings = {
      {"name", "lora"}, {"rank", 8}, {"alpha", 16}, {"rank_stabilized", false}, {"alphas", json::object()}};
  settings.update(given);
  return settings;
}

/// Run `name` of the golden mixture, as the finished run that it would be here.
SourceRun golden_run(const Golden& golden, const std::string& name) {
  SourceRun run;
  run.name = name;
  const json settings = full_settings(golden.description().at("settings").at("runs").at(name));
  run.methods.push_back({"lora", "1.0.0", testing::config_node(settings)});
  run.tensors.emplace_back("classifier.bias", torch::zeros({3}));  // a run has its head too
  const std::string members = ".members." + name;
  for (const auto& [key, tensor] : golden.tensors()) {
    const size_t at = key.find(members);
    if (!key.starts_with("fixed/") || at == std::string::npos) continue;
    const std::string site = testing::delta_key(key.substr(6, at - 6));
    run.tensors.emplace_back(site + ".lora.update." + (key.ends_with("lora_A") ? "a" : "b"), tensor.clone());
  }
  return run;
}

class MixtureGolden : public ::testing::Test {
 protected:
  MixtureGolden() : golden("mixture_loras"), model(tiny_model()) {
    strategy = make_strategy({{"sources", {"a", "b"}}, {"width", 5}},
                             [this](const std::string& name) { return golden_run(golden, name); });
    strategy->apply(*model);
    testing::train_head(*model);
    testing::take_start(golden, *model);
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
  std::unique_ptr<Strategy> strategy;
};

TEST_F(MixtureGolden, LogitsLossAndEveryGradientAreTheFormulas) { testing::expect_golden_pass(golden, *model); }
TEST_F(MixtureGolden, TenStepsAreTheFormulas) { testing::expect_ten_steps(golden, *model); }
TEST_F(MixtureGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

TEST_F(MixtureGolden, MembersAreFrozenPartsOfTheDeltaAndGetNoGradient) {
  model->forward(golden.input("a")).sum().backward();
  size_t members = 0;
  for (const auto& [key, parameter] : model->patch_parameters()) {
    const bool is_member = key.find(".mixture_member") != std::string::npos;
    members += is_member;
    EXPECT_EQ(parameter.requires_grad(), !is_member) << key;
    EXPECT_EQ(parameter.grad().defined(), !is_member) << key;
  }
  EXPECT_EQ(members, 2u * 2 * (3 + 2));  // A and B, in two layers, at three places of a and two of b
}

TEST_F(MixtureGolden, ReportsTheMeanAttentionOfEachRunAtEachLayer) {
  auto* reporter = dynamic_cast<Reporter*>(strategy.get());
  const std::string query = "encoder.layer.0.attention.self.query", down = "encoder.layer.0.output.dense";
  LinearSite& site = model->linear(Role::kQuery, 0);
  torch::NoGradGuard no_grad;
  const Tensor x = torch::randn({7, 32});
  site.forward(x);  // before the report begins: not counted
  reporter->report_begin();
  model->train();
  site.forward(x);  // training: not counted
  model->eval();
  site.forward(x);
  model->linear(Role::kFfnDown, 0).forward(torch::randn({4, 64}));
  const std::vector<ReportTable> tables = reporter->report_end();
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].title, "Mixture: mean attention to each method");
  EXPECT_EQ(tables[0].columns, std::vector<std::string>({"a", "b"}));
  EXPECT_EQ(tables[0].rows, std::vector<std::string>({query, down}));
  std::map<std::string, Tensor> w;
  for (const auto& parameter : site.named_parameters())
    w[parameter.key()] = parameter.value().to(torch::kFloat64);
  const auto update = [&](const std::string& member, double scale) {
    const Tensor inner = torch::matmul(x.to(torch::kFloat64), w.at(member + ".update.a").t());
    return torch::matmul(torch::matmul(inner, w.at(member + ".update.b").t()), w.at("mixture.key_weight").t()) * scale;
  };
  const Tensor q = torch::linear(x.to(torch::kFloat64), w.at("mixture.query_weight"), w.at("mixture.query_bias"));
  const Tensor scores = torch::stack(
      {(q * update("mixture_member", 8.0 / 4)).sum(1), (q * update("mixture_member_2", 3 / std::sqrt(2.0))).sum(1)}, 1);
  const Tensor expected = torch::stack({torch::softmax(scores, 1).mean(0), torch::tensor({1.0, 0.0}, torch::kFloat64)});
  EXPECT_TRUE(near(tables[0].values, expected, 0, 1e-5));
}

/// A run of strategy 'lora' at these roles, with random matrices.
SourceRun random_run(const std::string& name, const std::vector<Role>& roles, const json& settings = json::object()) {
  SourceRun run;
  run.name = name;
  run.methods.push_back({"lora", "1.0.0", testing::config_node(full_settings(settings))});
  const auto model = tiny_model();
  for (int64_t layer = 0; layer < 2; ++layer) {
    for (const Role role : roles) {
      const LinearSite& site = model->linear(role, layer);
      const std::string patch = site.info().path + ".lora.update.";
      run.tensors.emplace_back(patch + "a", torch::randn({4, site.in_features()}) * 0.3);
      run.tensors.emplace_back(patch + "b", torch::randn({site.out_features(), 4}) * 0.3);
    }
  }
  return run;
}

/// The model of one such run: alpha 16 and rank 4 make the scale 4.
Tensor logits_of_source(const SourceRun& run, const model::Input& input) {
  const auto model = tiny_model();
  torch::NoGradGuard no_grad;
  for (LinearSite* site : model->all_linear()) {
    std::map<std::string, Tensor> tensors(run.tensors.begin(), run.tensors.end());
    const std::string patch = site->info().path + ".lora.update.";
    if (tensors.contains(patch + "a")) site->weight.add_(torch::matmul(tensors[patch + "b"], tensors[patch + "a"]), 4);
  }
  return model->forward(input);
}

/// Everything that the mixture learns is random, but for v.
void randomize_attention(const model::Bert& model) {
  for (auto& [key, parameter] : model.patch_parameters())
    if (parameter.requires_grad() && !key.ends_with(".scale")) parameter.data().normal_(0, 0.3);
}

TEST(Mixture, OfOneSourceIsThatSource) {
  torch::manual_seed(2);
  const SourceRun run = random_run("a", {Role::kQuery, Role::kFfnUp});
  const auto model = tiny_model();
  make_strategy({{"sources", {"a"}}}, [&](const std::string&) { return run; })->apply(*model);
  const Golden golden("full_classification");
  EXPECT_TRUE(near(model->forward(golden.input("a")), logits_of_source(run, golden.input("a")), 0, 1e-5));
  EXPECT_EQ(testing::trainable_count(*model), 2 * (32 + 64));  // v alone: there is nothing to choose
}

TEST(Mixture, OfEqualSourcesIsEachOfThemWhateverTheAttention) {
  torch::manual_seed(2);
  const SourceRun run = random_run("a", {Role::kQuery, Role::kFfnDown});
  const auto model = tiny_model();
  make_strategy({{"sources", {"a", "b", "c"}}}, [&](const std::string&) { return run; })->apply(*model);
  randomize_attention(*model);
  const Golden golden("full_classification");
  EXPECT_TRUE(near(model->forward(golden.input("a")), logits_of_source(run, golden.input("a")), 0, 1e-5));
}

TEST(Mixture, StartsAsTheMeanOfTheUpdatesWhateverTheSeed) {
  torch::manual_seed(2);
  const SourceRun a = random_run("a", {Role::kQuery}), b = random_run("b", {Role::kQuery});
  SourceRun mean = a;  // [B_a, B_b] [A_a; A_b] / 2
  for (size_t i = 0; i < mean.tensors.size(); ++i) {
    const bool is_a = mean.tensors[i].first.ends_with(".a");
    mean.tensors[i].second = torch::cat({a.tensors[i].second, b.tensors[i].second}, is_a ? 0 : 1) * (is_a ? 0.5 : 1);
  }
  const Golden golden("full_classification");
  const Tensor expected = logits_of_source(mean, golden.input("a"));
  for (const uint64_t seed : {1, 2}) {
    torch::manual_seed(seed);
    const auto model = tiny_model();
    make_strategy({{"sources", {"a", "b"}}}, [&](const std::string& name) {
      return name == "a" ? a : b;
    })->apply(*model);
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
  SourceRun run;
  run.name = "a";
  run.methods.push_back({"lora", "1.0.0", testing::config_node(full_settings(json::object()))});
  for (int64_t layer = 0; layer < 12; ++layer) {
    for (const Role role : {Role::kQuery, Role::kValue}) {
      const std::string patch = model->linear(role, layer).info().path + ".lora.update.";
      run.tensors.emplace_back(patch + "a", torch::zeros({8, 768}));
      run.tensors.emplace_back(patch + "b", torch::zeros({768, 8}));
    }
  }
  make_strategy({{"sources", {"a", "b"}}}, [&](const std::string&) { return run; })->apply(*model);
  EXPECT_EQ(testing::trainable_count(*model), 1198848);
}

TEST(Mixture, SaysWhatCannotBeMixed) {
  const auto open_run = [](const std::string& name) {
    if (name == "nowhere") throw Error("'nowhere' is not a finished run");
    SourceRun run = random_run(name, {Role::kQuery, Role::kValue});
    if (name == "adapter") run.methods.front().name = "adapter";
    if (name == "union") run.methods.push_back({"prefix", "1.0.0", {ConfigNode::Table{}}});
    if (name == "dora")
      run.tensors.emplace_back("encoder.layer.0.attention.self.query.lora.magnitude", torch::ones({32}));
    if (name == "words") run.tensors.emplace_back("embeddings.word_embeddings.lora.update.a", torch::ones({4, 100}));
    if (name == "biases") run.tensors.emplace_back("encoder.layer.0.attention.self.query.bias", torch::ones({32}));
    if (name == "deep")
      run.tensors.emplace_back("encoder.layer.2.attention.self.query.lora.update.a", torch::ones({4, 32}));
    if (name == "damaged") run.tensors.pop_back();
    if (name == "wide") run.tensors.back().second = torch::ones({64, 4});
    return run;
  };
  const std::string too =
      " too, which is no low-rank update of a linear layer; take the run by [[strategy]] from in front "
      "of this one";
  const std::string other = " that does not fit this model; a source must be tuned on the same model";
  const std::string value1 = "'encoder.layer.1.attention.self.value'";
  const std::vector<std::pair<json, std::string>> cases = {
      {json::object(),
       "strategy.sources: no run is named, and no strategy in front of this one is on a linear layer: there is nothing "
       "to mix"},
      {{{"sources", {"nowhere"}}}, "strategy.sources: 'nowhere' is not a finished run"},
      {{{"sources", {"a", "adapter"}}},
       "strategy.sources: run 'adapter' was tuned with 'adapter'; a source must be tuned with one strategy 'lora', "
       "others "
       "are taken by [[strategy]] from in front of this one"},
      {{{"sources", {"a", "union"}}},
       "strategy.sources: run 'union' was tuned with 'lora', 'prefix'; a source must be tuned with one strategy "
       "'lora', "
       "others are taken by [[strategy]] from in front of this one"},
      {{{"sources", {"dora"}}},
       "strategy.sources: run 'dora' trained 'encoder.layer.0.attention.self.query.lora.magnitude'" + too},
      {{{"sources", {"words"}}},
       "strategy.sources: run 'words' trained 'embeddings.word_embeddings.lora.update.a'" + too},
      {{{"sources", {"biases"}}},
       "strategy.sources: run 'biases' trained 'encoder.layer.0.attention.self.query.bias'" + too},
      {{{"sources", {"deep"}}},
       "strategy.sources: run 'deep' has an update of 'encoder.layer.2.attention.self.query'" + other},
      {{{"sources", {"damaged"}}}, "strategy.sources: run 'damaged' has an update of " + value1 + other},
      {{{"sources", {"a", "wide"}}}, "strategy.sources: run 'wide' has an update of " + value1 + other},
      {{{"sources", {"a", "b"}}, {"wdith", 4}, {"width", 0}},
       "strategy.width: must be at least 1, got 0\n"
       "strategy.wdith: unknown key; did you mean 'width'? keys of strategy 'mixture': width, name, sources"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { make_strategy(settings, open_run)->apply(*tiny_model()); }), text) << settings;
}

}  // namespace
}  // namespace plugtune
