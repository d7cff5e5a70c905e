// shared_base_test.cc - several runs on one base: each exactly as if alone, and side by side in one batch.
#include "model/shared_base.h"

#include "support/golden.h"
#include "train/delta.h"
#include "train/methods.h"

namespace plugtune::model {
namespace {

using testing::Golden;

/// A strategy and what of the base it trains beside its patches and the classifier.
struct Tuning {
  std::string plugin;
  std::vector<std::pair<std::string, std::string>> settings;
  bool trains_pooler = false;
};

/// The sources of a fusion: two adapters with random values.
SourceRun member(const std::string& name) {
  const auto model = testing::tiny_model();
  plugin::SearchPath search;
  search.plugin_path = {PLUGTUNE_BINARY_DIR "/lib/plugtune"};
  const ConfigNode settings{ConfigNode::Table{}};
  std::vector<plugin::LoadedStrategy> strategies;
  strategies.push_back(plugin::load(plugin::Kind::kStrategy, "adapter", search)
                           .create_strategy(ConfigView(settings, {"strategy", "strategy 'adapter'", "", {}})));
  train::Methods methods(std::move(strategies));
  methods.apply(*model);
  SourceRun run;
  run.name = name;
  run.methods.push_back({"adapter", "1.0.0", settings});
  for (const auto& [key, parameter] : model->patch_parameters())
    run.tensors.emplace_back(key, torch::randn_like(parameter) * 0.2);
  return run;
}

/// Runs made as open_runs() makes them, with random values instead of files.
class Runs {
 public:
  explicit Runs(const std::vector<Tuning>& methods) : model_(testing::tiny_model()), base_(model_) {
    torch::manual_seed(7);
    for (const Tuning& method : methods)
      add(method);
  }
  SharedBase& base() { return base_; }
  Bert& model() { return *model_; }

  Tensor alone(size_t run, const Input& input) {
    torch::NoGradGuard no_grad;
    base_.select(run);
    return model_->forward(input);
  }

 private:
  void add(const Tuning& method) {
    base_.begin_run();
    plugin::SearchPath search;
    search.plugin_path = {PLUGTUNE_BINARY_DIR "/lib/plugtune"};
    ConfigNode settings{ConfigNode::Table{}};
    for (const auto& [key, value] : method.settings)
      settings.set(key, value == "true" || value == "false" ? ConfigNode{value == "true"} : ConfigNode{value});
    ConfigView::Origin origin{"strategy", "strategy '" + method.plugin + "'", "", {}};
    if (method.plugin == "adapterfusion") {
      settings.set("sources", {ConfigNode::Array{{std::string("a")}, {std::string("b")}}});
      origin.open_run = member;
    }
    std::vector<plugin::LoadedStrategy> strategies;
    strategies.push_back(
        plugin::load(plugin::Kind::kStrategy, method.plugin, search).create_strategy(ConfigView(settings, origin)));
    methods_.emplace_back(std::move(strategies));
    methods_.back().apply(*model_);
    std::vector<std::string> own(model_->trained_base().begin(), model_->trained_base().end());
    own.insert(own.end(), {"classifier.weight", "classifier.bias"});
    if (method.trains_pooler) own.insert(own.end(), {"pooler.dense.weight", "pooler.dense.bias"});
    base_.own(own);
    torch::NoGradGuard no_grad;
    for (const auto& [name, parameter] : model_->own_parameters())
      if (std::ranges::find(own, name) != own.end()) parameter.add_(torch::randn_like(parameter) * 0.2);
    for (const auto& [name, parameter] : model_->patch_parameters())
      parameter.copy_(torch::randn_like(parameter) * 0.2);
    model_->eval();
  }

  std::shared_ptr<Bert> model_;
  SharedBase base_;
  std::vector<train::Methods> methods_;
};

const std::vector<Tuning> kEvery = {
    {"lora", {}},
    {"adapter", {{"config", "pfeiffer"}}, /*trains_pooler=*/true},
    {"head", {}},
    {"adapter", {{"config", "houlsby"}}},
    {"adapter", {{"config", "parallel"}}},
    {"ia3", {}},
    {"prefix", {{"shift_positions", "false"}}},
    {"adapterfusion", {}},
    {"lora", {{"dora", "true"}}, /*trains_pooler=*/true},
    {"prefix", {{"shift_positions", "true"}}},
    {"prompt", {{"place", "words"}}},
    {"prompt", {{"place", "embeddings"}}},
};

/// Sequences [begin, end) of a batch.
Input cut(const Input& all, int64_t begin, int64_t end) {
  std::vector<int64_t> lengths;
  for (int64_t b = begin; b < end; ++b)
    lengths.push_back(all.layout.length(b));
  const auto rows = [&](const Tensor& tensor) {
    return tensor.slice(0, all.layout.offset(begin), all.layout.offset(end));
  };
  return {rows(all.ids), rows(all.types), rows(all.positions), Layout(lengths)};
}

/// A batch as long as there are runs, with sequences of 1 to 14 rows.
Input mixed_batch(int64_t sequences) {
  torch::manual_seed(3);
  std::vector<int64_t> lengths;
  std::vector<Tensor> positions;
  for (int64_t b = 0; b < sequences; ++b) {
    lengths.push_back(1 + b * 5 % 14);
    positions.push_back(torch::arange(lengths.back()));
  }
  const Layout layout(lengths);
  return {torch::randint(100, {layout.rows()}), torch::randint(2, {layout.rows()}), torch::cat(positions), layout};
}

/// Every share of a mixed batch equals its run alone.
void expect_mixed_equals_alone(Runs& runs, const std::vector<SharedBase::Share>& shares) {
  int64_t sequences = 0;
  for (const auto& share : shares)
    sequences += share.sequences;
  const Input input = mixed_batch(sequences);
  const Tensor mixed = runs.base().forward(input, shares);
  int64_t begin = 0;
  for (const auto& share : shares) {
    const int64_t end = begin + share.sequences;
    const Tensor alone = runs.alone(share.run, cut(input, begin, end));
    EXPECT_TRUE(testing::near(mixed.slice(0, begin, end), alone, 0, 1e-5))
        << "run " << share.run << ", " << kEvery[share.run].plugin;
    begin = end;
  }
}

TEST(SharedBase, AMixedBatchGivesTheLogitsOfEachRunAlone) {
  Runs runs(kEvery);
  std::vector<SharedBase::Share> shares;
  for (size_t run = 0; run < kEvery.size(); ++run)
    shares.push_back({run, 1 + static_cast<int64_t>(run) % 3});
  expect_mixed_equals_alone(runs, shares);
  std::ranges::reverse(shares);
  expect_mixed_equals_alone(runs, shares);
}

TEST(SharedBase, SomeOfTheRunsShareABatch) {
  Runs runs(kEvery);
  for (size_t a = 0; a < kEvery.size(); ++a)
    expect_mixed_equals_alone(runs, {{a, 2}, {(a + 5) % kEvery.size(), 3}});
}

TEST(SharedBase, ABatchOfOneRunGivesTheLogitsOfThatRun) {
  Runs runs(kEvery);
  const Input input = mixed_batch(5);
  for (size_t run = 0; run < kEvery.size(); ++run) {
    const Tensor mixed = runs.base().forward(input, {{run, 5}});
    const Tensor alone = runs.alone(run, input);
    // Bias and GELU are one kernel where the feed-forward's first layer is bare, two where any run patches it.
    EXPECT_TRUE(testing::near(mixed, alone, 0, 1e-6)) << kEvery[run].plugin;
  }
}

TEST(SharedBase, SwitchingBackRestoresTheExactBits) {
  std::vector<Tuning> methods = kEvery;
  methods.push_back({"full", {}});
  methods.push_back({"bitfit", {}});
  Runs runs(methods);
  const auto untouched = testing::tiny_model();
  const Input input = mixed_batch(6);
  std::vector<Tensor> first;
  for (size_t run = 0; run < methods.size(); ++run)
    first.push_back(runs.alone(run, input));
  runs.base().forward(input, {{0, 3}, {1, 3}});
  for (size_t run = methods.size(); run-- > 0;)
    EXPECT_TRUE(torch::equal(runs.alone(run, input), first[run])) << methods[run].plugin;
  // With the run that owns nothing but its head on, everything else is the base.
  runs.base().select(2);
  EXPECT_EQ(runs.model().patched_sites(), std::vector<std::string>());
  const auto base = untouched->own_parameters();
  const auto now = runs.model().own_parameters();
  for (size_t i = 0; i < base.size(); ++i) {
    if (base[i].first.starts_with("classifier.")) continue;
    EXPECT_TRUE(torch::equal(base[i].second, now[i].second)) << base[i].first;
  }
}

TEST(SharedBase, RunsThatTrainTheBaseKeepOutOfMixedBatches) {
  Runs runs({{"lora", {}}, {"bitfit", {}}, {"lora", {{"bias", "all"}}}, {"adapter", {}, /*trains_pooler=*/true}});
  EXPECT_EQ(runs.base().unshareable(0), std::vector<std::string>());
  EXPECT_FALSE(runs.base().unshareable(1).empty());
  EXPECT_FALSE(runs.base().unshareable(2).empty());
  EXPECT_EQ(runs.base().unshareable(3), std::vector<std::string>());
}

TEST(SharedBase, EveryRunComputesInBf16AfterConversion) {
  std::vector<Tuning> methods = kEvery;
  methods.push_back({"full", {}});
  Runs runs(methods);
  const Input input = mixed_batch(6);
  std::vector<Tensor> exact;
  for (size_t run = 0; run < methods.size(); ++run)
    exact.push_back(runs.alone(run, input));
  runs.base().convert(torch::kBFloat16);
  for (size_t run = 0; run < methods.size(); ++run) {
    const Tensor rounded = runs.alone(run, input);
    EXPECT_EQ(rounded.scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(testing::near(rounded.to(torch::kFloat), exact[run], 0, 5e-2)) << methods[run].plugin;
  }
  const Tensor mixed = runs.base().forward(input, {{0, 3}, {1, 3}});
  EXPECT_TRUE(testing::near(mixed.narrow(0, 0, 3).to(torch::kFloat), exact[0].narrow(0, 0, 3), 0, 5e-2));
  EXPECT_TRUE(testing::near(mixed.narrow(0, 3, 3).to(torch::kFloat), exact[1].narrow(0, 3, 3), 0, 5e-2));
}

TEST(SharedBase, AFailingPatchIsKnownByItsRun) {
  Runs runs({{"lora", {}}, {"prompt", {{"place", "words"}}}});
  const Layout layout({60, 60});
  const Input input{torch::randint(100, {120}), torch::zeros({120}, torch::kInt64),
                    torch::cat({torch::arange(60), torch::arange(60)}), layout};
  EXPECT_THROW(runs.base().forward(input, {{0, 1}, {1, 1}}), PatchError);
  EXPECT_EQ(runs.base().failed_run(), 1U);
}

}  // namespace
}  // namespace plugtune::model
