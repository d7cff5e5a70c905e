// lora_test.cc - LoRA against peft, folding, targets, and every message.
#include "foreign_file_test.h"
#include "support/merged.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;
using testing::tuned;

/// peft's options as settings of ours. A suffix of module names ("output.dense") is a path here.
nlohmann::json lora_settings(const nlohmann::json& options) {
  nlohmann::json targets;
  for (const std::string target : options.at("target_modules"))
    targets.push_back(target.find('.') == std::string::npos ? target : "/.*\\." + target + "/");
  return {{"targets", targets},
          {"rank", options.at("r")},
          {"alpha", options.at("lora_alpha")},
          {"dropout", options.at("lora_dropout")},
          {"rank_stabilized", options.value("use_rslora", false)}};
}

class LoraGolden : public ::testing::TestWithParam<const char*> {
 protected:
  LoraGolden() : golden(GetParam()), model(tiny_model()) {
    make_strategy(lora_settings(golden.description().at("settings")))->apply(*model);
    testing::train_head(*model);
    testing::take_start(golden, *model);
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
};

TEST_P(LoraGolden, LogitsLossAndEveryGradientEqualPeft) { testing::expect_golden_pass(golden, *model); }

TEST_P(LoraGolden, FoldedModelGivesTheLogitsOfPeftsMergedOne) { testing::expect_folded_equals_patched(golden, *model); }

TEST_P(LoraGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

INSTANTIATE_TEST_SUITE_P(Peft, LoraGolden, ::testing::Values("lora_qv", "lora_rslora", "lora_all", "lora_embedding"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Lora, AWideUpdateIsMergedForTheProduct) {
  testing::expect_merged_equals_called({{"targets", {"query", "ffn_up", "classifier"}}, {"rank", 24}});
}

TEST(Lora, StartsAsTheIdentity) {
  const Golden golden("lora_qv");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  const nlohmann::json everything = {{"targets", {"all-linear", "pooler", "word_embeddings"}}};
  EXPECT_TRUE(testing::near(tuned(everything)->forward(golden.input("a")), bare, 0, 1e-6));
}

TEST(Lora, DropoutIsOfTheUpdateAndOnlyInTraining) {
  const Golden golden("lora_qv");
  const auto plain = tuned({{"rank", 4}, {"alpha", 8}}),
             dropping = tuned({{"rank", 4}, {"alpha", 8}, {"dropout", 0.5}});
  for (const auto& model : {plain, dropping}) {
    testing::train_head(*model);
    testing::take_start(golden, *model);
  }
  const Tensor expected = plain->forward(golden.input("a"));
  EXPECT_TRUE(testing::near(dropping->forward(golden.input("a")), expected, 0, 0));
  dropping->train();
  EXPECT_FALSE(testing::near(dropping->forward(golden.input("a")), expected, 0, 1e-3));
}

TEST(Lora, ARateOfItsOwnIsForBAlone) {
  const auto model = tiny_model();
  const auto below = make_strategy(nlohmann::json{{"targets", {"query", "key"}}, {"rate_ratio", 4}}),
             strategy =
                 make_strategy(nlohmann::json{{"targets", {"query", "value", "word_embeddings"}}, {"rate_ratio", 16}});
  below->apply(*model);
  strategy->apply(*model);
  const std::string self = "encoder.layer.0.attention.self.";
  const std::vector<std::tuple<std::string, double, double>> scales = {
      {self + "query.lora.update.b", 4, 1},
      {self + "query.lora_2.update.b", 1, 16},
      {self + "query.lora_2.update.a", 1, 1},
      {self + "key.lora.update.b", 4, 1},
      {self + "value.lora.update.b", 1, 16},
      {"embeddings.word_embeddings.lora.update.b", 1, 16},
      {"classifier.weight", 1, 1},
  };
  const auto scale_of = [](const std::unique_ptr<Strategy>& of, const std::string& name) {
    return dynamic_cast<const ParamGrouping&>(*of).rule(name).learning_rate_scale;
  };
  for (const auto& [name, lower, upper] : scales) {
    EXPECT_EQ(scale_of(below, name), lower) << name;
    EXPECT_EQ(scale_of(strategy, name), upper) << name;
  }
}

TEST(Lora, GaussianInitHasDeviationOneOverRank) {
  torch::manual_seed(1);
  plugtune::LowRankOptions options;
  options.rank = 16;
  options.init = LowRankInit::kGaussian;
  EXPECT_NEAR(LowRankLinear(4096, 8, options).a.std().item<double>(), 1.0 / 16, 1e-3);
  options.init = LowRankInit::kKaiming;  // uniform in +-1 / sqrt(in)
  EXPECT_NEAR(LowRankLinear(4096, 8, options).a.abs().max().item<double>(), 1.0 / 64, 1e-5);
}

std::vector<std::string> patched_paths(const nlohmann::json& settings) {
  std::vector<std::string> paths = tuned(settings)->patched_sites();
  for (std::string& line : paths)
    line.resize(line.find(':'));
  return paths;
}

TEST(Lora, TargetsAreRolesPathsAndLayers) {
  const std::string layer0 = "encoder.layer.0.", layer1 = "encoder.layer.1.";
  using Paths = std::vector<std::string>;
  EXPECT_EQ(patched_paths({}), Paths({layer0 + "attention.self.query", layer0 + "attention.self.value",
                                      layer1 + "attention.self.query", layer1 + "attention.self.value"}));
  EXPECT_EQ(patched_paths({{"targets", "key"}, {"layers", "1"}}), Paths({layer1 + "attention.self.key"}));
  EXPECT_EQ(patched_paths({{"targets", {"encoder.layer.*.output.dense"}}}),
            Paths({layer0 + "output.dense", layer1 + "output.dense"}));
  EXPECT_EQ(patched_paths({{"targets", {R"(/.*\.0\.intermediate\.dense/)"}}}), Paths({layer0 + "intermediate.dense"}));
  EXPECT_EQ(patched_paths({{"targets", "all-linear"}}).size(), 12u);
  EXPECT_EQ(patched_paths({{"targets", {"word_embeddings", "query"}}, {"layers", "0"}}),
            Paths({"embeddings.word_embeddings", layer0 + "attention.self.query"}));
  // What is in no layer is chosen by its target alone.
  EXPECT_EQ(patched_paths({{"targets", {"key", "pooler", "classifier"}}, {"layers", "1"}}),
            Paths({layer1 + "attention.self.key", "pooler.dense", "classifier"}));
  EXPECT_EQ(patched_paths({{"targets", {"query", "/pooler.*/"}}, {"layers", "0"}}),
            Paths({layer0 + "attention.self.query", "pooler.dense"}));
  EXPECT_EQ(patched_paths({{"targets", "/.*(word_embeddings|layer.0.*query)/"}}),
            Paths({"embeddings.word_embeddings", layer0 + "attention.self.query"}));
}

TEST(Lora, RanksAndAlphasOfSingleRoles) {
  const auto model = tuned(
      {{"targets", {"query", "key"}}, {"rank", 4}, {"alpha", 4}, {"ranks", {{"key", 2}}}, {"alphas", {{"key", 6}}}});
  const auto update = [&](Role role) {
    return model->linear(role, 0).patches().front().second->named_children()["update"]->as<LowRankLinear>();
  };
  EXPECT_EQ(update(Role::kQuery)->a.size(0), 4);
  EXPECT_EQ(update(Role::kQuery)->scale(), 1);
  EXPECT_EQ(update(Role::kKey)->a.size(0), 2);
  EXPECT_EQ(update(Role::kKey)->scale(), 3);
}

TEST(Lora, ExcludedSitesStayBare) {
  const std::string layer0 = "encoder.layer.0.", layer1 = "encoder.layer.1.";
  EXPECT_EQ(patched_paths({{"exclude", {"value"}}}),
            std::vector<std::string>({layer0 + "attention.self.query", layer1 + "attention.self.query"}));
  EXPECT_EQ(patched_paths({{"targets", {"word_embeddings", "all-linear"}},
                           {"exclude", {"word_embeddings", "/.*layer.0.*/", "encoder.layer.1.*.dense", "query"}}}),
            std::vector<std::string>(
                {layer1 + "attention.self.key", layer1 + "attention.self.value", layer1 + "attention.output.dense"}));
}

TEST(Lora, TheNarrowestKeyGivesASiteItsRank) {
  const std::string query0 = "encoder.layer.0.attention.self.query";
  const auto model =
      tuned({{"targets", {"query", "key"}},
             {"rank", 8},
             {"ranks", {{"query", 1}, {"/.*1.*query/", 2}, {"*.*.*.*.*.query", 3}, {query0, 4}, {"/.*key/", 5}}}});
  const auto rank = [&](Role role, int64_t layer) {
    return model->linear(role, layer)
        .patches()
        .front()
        .second->named_children()["update"]
        ->as<LowRankLinear>()
        ->a.size(0);
  };
  EXPECT_EQ(rank(Role::kQuery, 0), 4);  // its path
  EXPECT_EQ(rank(Role::kQuery, 1), 3);  // a glob, before the expression and the role
  EXPECT_EQ(rank(Role::kKey, 1), 5);
}

TEST(Lora, BiasTrainsOnRequest) {
  const auto biases = [](const char* bias) { return tuned({{"bias", bias}})->trained_base(); };
  EXPECT_TRUE(biases("none").empty());
  EXPECT_EQ(biases("lora_only"),
            std::set<std::string>(
                {"encoder.layer.0.attention.self.query.bias", "encoder.layer.0.attention.self.value.bias",
                 "encoder.layer.1.attention.self.query.bias", "encoder.layer.1.attention.self.value.bias"}));
  EXPECT_EQ(biases("all").size(), 1u + 2 * 8 + 1);  // embeddings' LayerNorm, eight in each layer, the pooler
}

TEST(Lora, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy()->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 294912);
}

TEST(Lora, TheSecondOfTwoGetsANumber) {
  const auto model = tuned({});
  make_strategy()->apply(*model);
  make_strategy({{"name", "other"}})->apply(*model);
  EXPECT_EQ(model->patched_sites().front(), "encoder.layer.0.attention.self.query: lora, lora_2, other");
  EXPECT_EQ(model->linear(Role::kQuery, 0).asked_names(), (std::vector<std::string>{"lora", "lora", "other"}));
}

TEST(Lora, SaysWhatIsWrongWithItsSettings) {
  const std::string roles = "roles: query, key, value, attention_output, ffn_up, ffn_down, pooler, classifier";
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"rnak", 4}},
       "strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'lora': targets, layers, bias, name, rank, "
       "alpha, dropout, "
       "rank_stabilized, init, ranks, alphas, exclude, dora, gate, rate_ratio"},
      {{{"rank", 0}, {"dropout", 1}, {"init", "xavier"}},
       "strategy.rank: must be at least 1, got 0\n"
       "strategy.dropout: must be between 0 and 0.999999, got 1\n"
       "strategy.init: must be one of kaiming, gaussian, got \"xavier\""},
      {{{"targets", {"querry"}}},
       "strategy.targets: no linear layer has role 'querry'; did you mean 'query'? " + roles},
      {{{"layers", "5"}}, "strategy.targets: the model has layers 0 to 1, got 5"},
      {{{"targets", {"encoder.layer.0.attention.self.query"}}, {"layers", "1"}},
       "strategy.targets: no linear layer of these targets is in the layers that are named"},
      {{{"ranks", {{"querry", 2}}}},
       "strategy.ranks: there is no role 'querry'; did you mean 'query'? " + roles + ", word_embeddings"},
      {{{"ranks", {{"query", 2.5}}}}, "strategy.ranks: must be whole numbers of at least 1, got 2.5 for 'query'"},
      {{{"ranks", {{"encoder.layer.7.*.query", 2}}}},
       "strategy.ranks: 'encoder.layer.7.*.query' matches none of the targets; their paths look like "
       "'encoder.layer.1.attention.self.value'"},
      {{{"alphas", {{"/(/", 2}}}},
       "strategy.alphas: '/(/' is not a regular expression: Mismatched '(' and ')' in regular expression"},
      {{{"exclude", {"quary"}}}, "strategy.exclude: no linear layer has role 'quary'; did you mean 'query'? " + roles},
      {{{"bias", "some"}}, "strategy.bias: must be one of none, all, lora_only, got \"some\""},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

class DoraGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(DoraGolden, GradientsEqualPeft) {
  lora_test::Foreign file(GetParam(), "peft");
  const auto model = lora_test::model_of(file.read(), file.head);
  testing::train_head(*model);
  const Tensor logits = model->forward(file.golden.input("a"));
  model::task_loss(TaskKind::kClassification, logits, file.golden.at("a/labels"), 5).backward();
  const std::map<std::string, Tensor> ours = testing::trainables(*model);
  size_t compared = 0;
  for (const auto& [key, tensor] : file.golden.tensors()) {
    if (!key.starts_with("grad/")) continue;
    const std::string name = std::regex_replace(testing::delta_key(key.substr(5)),
                                                std::regex(R"(\.lora_magnitude_vector$)"), ".lora.magnitude");
    ASSERT_TRUE(ours.contains(name)) << name;
    EXPECT_TRUE(near_golden(file.golden, key, ours.at(name).grad()));
    ++compared;
  }
  EXPECT_EQ(compared, ours.size());
}

INSTANTIATE_TEST_SUITE_P(Peft, DoraGolden, ::testing::Values("lora_dora", "lora_dora_words"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Dora, StartsAsTheIdentityToTheBit) {
  const Golden golden("lora_qv");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  EXPECT_TRUE(torch::equal(
      tuned({{"dora", true}, {"targets", {"all-linear", "word_embeddings"}}})->forward(golden.input("a")), bare));
}

TEST(Dora, PackedBatchEqualsEachSequenceAlone) {
  lora_test::Foreign file("lora_dora", "peft");
  const auto model = lora_test::model_of(file.read(), file.head);
  testing::train_head(*model);
  testing::expect_packed_equals_alone(*model);
}

TEST(Dora, UnderDropoutBothProductsSeeTheSameDroppedInput) {
  // y = W x + b + (c - 1) W drop(x) + c s B A drop(x), as peft: it computes the base again from the dropped input.
  lora_test::Foreign file("lora_dora", "peft");
  MethodDelta delta = file.read();
  delta.settings.set("dropout", {0.5});
  const auto model = lora_test::model_of(delta, file.head);
  model->train();
  torch::NoGradGuard no_grad;
  LinearSite& site = model->linear(Role::kQuery, 0);
  const auto patch = site.patches().front().second;
  const auto update = patch->named_children()["update"]->as<LowRankLinear>();
  const Tensor x = torch::randn({7, 32});
  torch::manual_seed(5);
  const Tensor y = site.forward(x);
  torch::manual_seed(5);
  const Tensor seen = torch::dropout(x, 0.5, /*train=*/true);
  const Tensor merged = site.weight + update->delta();
  const Tensor c = patch->named_parameters()["magnitude"] / merged.norm(2, 1);
  const Tensor expected = torch::linear(x, site.weight, site.bias) + (c - 1) * torch::linear(seen, site.weight) +
                          c * torch::linear(seen, update->delta());
  EXPECT_TRUE(testing::near(y, expected, 0, 1e-5));
}

}  // namespace
}  // namespace plugtune
