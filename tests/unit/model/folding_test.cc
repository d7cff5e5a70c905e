// folding_test.cc - fold() computes what the patches did, and unfold() gives every bit back; so do weights that are merged for a pass.
#include <cstring>

#include "model/merged.h"
#include "support/strategy.h"
#include "train/methods.h"

namespace plugtune::model {
namespace {

using nlohmann::json;
using testing::Golden;

struct Method {
  std::string plugin;
  json settings;
};

struct Case {
  std::string name;
  std::vector<Method> methods;
  torch::ScalarType type = torch::kFloat32;
  friend void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }
};

/// tests/golden/tiny with strategies on it, all of whose values are random.
class Tuned {
 public:
  explicit Tuned(const Case& one) : model(testing::tiny_model()) {
    torch::manual_seed(11);
    plugin::SearchPath search;
    search.plugin_path = {PLUGTUNE_BINARY_DIR "/lib/plugtune"};
    std::vector<plugin::LoadedStrategy> strategies;
    for (const Method& method : one.methods) {
      const ConfigView view(testing::config_node(method.settings),
                            {"strategy", "strategy '" + method.plugin + "'", "", {}});
      strategies.push_back(plugin::load(plugin::Kind::kStrategy, method.plugin, search).create_strategy(view));
    }
    methods_ = train::Methods(std::move(strategies));
    methods_.apply(*model);
    torch::NoGradGuard no_grad;
    for (const auto& [name, parameter] : testing::trainables(*model))
      parameter.add_(torch::randn_like(parameter) * 0.1);
    model->to(one.type);
    model->eval();
  }

  std::shared_ptr<Bert> model;

 private:
  train::Methods methods_;
};

std::string bits(const Tensor& tensor) {
  const Tensor plain = tensor.detach().contiguous();
  return std::string(c10::toString(plain.scalar_type())) + (tensor.requires_grad() ? " trains " : " ") +
         std::string(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes());
}

/// Every tensor by its name, with type, bits and whether it trains; every patch in its order.
struct State {
  explicit State(const Bert& model) : patches(model.patched_sites()) {
    for (const auto& list : {model.own_parameters(), model.patch_parameters(), model.patch_buffers()})
      for (const auto& [name, tensor] : list)
        tensors.emplace_back(name, bits(tensor));
  }
  bool operator==(const State&) const = default;

  std::vector<std::string> patches;
  std::vector<std::pair<std::string, std::string>> tensors;
};

Tensor logits(Bert& model) {
  torch::NoGradGuard no_grad;
  return model.forward(Golden("full_classification").input("a"));
}

const json kEverywhere = {"query", "key", "value", "attention_output", "ffn_up", "ffn_down", "pooler", "classifier"};
json with_words() {
  json targets = kEverywhere;
  targets.push_back("word_embeddings");
  return targets;
}

class Folding : public ::testing::TestWithParam<Case> {};

TEST_P(Folding, ComputesTheSameAndIsTakenBackToTheSameBits) {
  const Tuned tuned(GetParam());
  Bert& model = *tuned.model;
  const State before(model);
  const Tensor patched = logits(model);
  for (int round = 0; round < 2; ++round) {
    const Folded folded = model.fold();
    EXPECT_TRUE(model.patched_sites().empty());
    EXPECT_TRUE(testing::near(logits(model), patched, 0, GetParam().type == torch::kBFloat16 ? 0.15 : 1e-5));
    model.unfold(folded);
    EXPECT_TRUE(State(model) == before);
    EXPECT_TRUE(torch::equal(logits(model), patched));
  }
}

Input random_input(int64_t sequences) {
  torch::manual_seed(4);
  const Layout layout(std::vector<int64_t>(static_cast<size_t>(sequences), 8));
  return {torch::randint(5, 100, {layout.rows()}), torch::zeros({layout.rows()}, torch::kInt64),
          torch::arange(8).repeat({sequences}), layout};
}

/// Enough rows for every layer of the tiny model to be merged.
Input many_rows() { return random_input(20); }

TEST_P(Folding, MergedForAPassItComputesTheSameAndChangesNothing) {
  const Tuned tuned(GetParam());
  Bert& model = *tuned.model;
  const State before(model);
  torch::NoGradGuard no_grad;
  const Tensor called = model.forward(many_rows());
  {
    const MergesPatches merges;
    const Tensor merged = model.forward(many_rows());
    EXPECT_TRUE(testing::near(merged, called, 0, GetParam().type == torch::kBFloat16 ? 0 : 1e-5));
  }
  EXPECT_TRUE(torch::equal(model.forward(many_rows()), called));
  EXPECT_TRUE(State(model) == before);
}

INSTANTIATE_TEST_SUITE_P(
    Methods, Folding,
    ::testing::Values(
        Case{"lora", {{"lora", {{"targets", with_words()}, {"rank", 3}, {"dropout", 0.5}}}}},
        Case{"lora_rank_stabilized",
             {{"lora", {{"rank_stabilized", true}, {"ranks", {{"value", 2}}}, {"alphas", {{"query", 3}}}}}}},
        Case{"lora_gaussian_with_biases", {{"lora", {{"init", "gaussian"}, {"bias", "all"}}}}},
        Case{"lora_with_its_biases", {{"lora", {{"targets", kEverywhere}, {"bias", "lora_only"}}}}},
        Case{"dora", {{"lora", {{"targets", with_words()}, {"dora", true}}}}},
        Case{"ia3", {{"ia3", {{"targets", kEverywhere}, {"feedforward", {"ffn_down", "pooler"}}}}}},
        Case{"ia3_adapters", {{"ia3", {{"convention", "adapters"}}}}}, Case{"bitfit", {{"bitfit", json::object()}}},
        Case{"nothing_to_fold", {{"full", json::object()}}},
        Case{"the_same_method_twice", {{"lora", {{"rank", 2}}}, {"lora", {{"targets", {"value", "key"}}}}}},
        Case{"stacks", {{"lora", {{"targets", with_words()}}}, {"ia3", json::object()}, {"bitfit", json::object()}}},
        Case{"lora_around_ia3", {{"ia3", {{"targets", kEverywhere}}}, {"lora", {{"targets", kEverywhere}}}}},
        Case{"dora_around_ia3",
             {{"ia3", {{"targets", {"key", "value"}}}}, {"lora", {{"targets", {"key", "value"}}, {"dora", true}}}}},
        Case{"dora_around_dora", {{"lora", {{"dora", true}}}, {"lora", {{"dora", true}}}}},
        Case{"bfloat16", {{"lora", {{"targets", with_words()}}}, {"ia3", json::object()}}, torch::kBFloat16},
        Case{"float64", {{"lora", {{"targets", with_words()}, {"dora", true}}}}, torch::kFloat64}),
    [](const auto& info) { return info.param.name; });

/// Adds one to the weight; may throw, may give another size; has an index that must stay one.
class Plain : public LinearPatch, public Foldable {
 public:
  Plain() { index_ = register_buffer("index", torch::tensor({2}, torch::kInt64)); }
  Tensor forward(const Tensor& x, const LinearNext& next) override {
    ++calls;
    return next(x) + x.sum(1, /*keepdim=*/true);
  }
  void fold(Tensor& weight, Tensor&) const override {
    if (fails) throw Error("it went wrong");
    EXPECT_EQ(weight.scalar_type(), folded_in);
    EXPECT_EQ(index_.scalar_type(), torch::kInt64);
    weight = larger ? torch::zeros({2, 2}, folded_in) : weight + 1;
  }
  bool fails = false, larger = false;
  torch::ScalarType folded_in = torch::kFloat64;
  int calls = 0;

 private:
  Tensor index_;
};

class PlainFolding : public ::testing::Test {
 protected:
  std::shared_ptr<Bert> model = testing::tiny_model();
  LinearSite& query = model->linear(Role::kQuery, 0);
  LinearSite& key = model->linear(Role::kKey, 1);

  std::shared_ptr<Plain> attach(LinearSite& site) const {
    auto patch = std::make_shared<Plain>();
    site.attach("plain", patch);
    return patch;
  }
};

TEST_F(PlainFolding, AFoldThatFailsLeavesTheModelAsItWas) {
  attach(query);
  const auto patch = attach(key);
  patch->fails = true;
  const State before(*model);
  EXPECT_EQ(testing::error_of([&] { model->fold(); }), "it went wrong");
  EXPECT_TRUE(State(*model) == before);
}

TEST_F(PlainFolding, AWeightOfAnotherSizeIsRefused) {
  attach(key)->larger = true;
  const State before(*model);
  try {
    model->fold();
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_STREQ(error.what_without_backtrace(),
                 "encoder.layer.1.attention.self.key: its patches' fold() gives sizes [2, 2], it must keep [32, 32]");
  }
  EXPECT_TRUE(State(*model) == before);
}

TEST_F(PlainFolding, NamesComeBackWhereOthersWereTakenOffBefore) {
  attach(query);
  attach(query);
  query.detach("plain");
  const Folded folded = model->fold();
  model->unfold(folded);
  EXPECT_EQ(query.patches().front().first, "plain_2");
}

TEST_F(PlainFolding, UnfoldingOntoOtherPatchesIsOurMistake) {
  attach(query);
  const Folded folded = model->fold();
  attach(key);
  EXPECT_THROW(model->unfold(folded), c10::Error);
}

/// Not foldable.
struct Around final : LinearPatch {
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x); }
};

TEST_F(PlainFolding, APassMergesManyRowsWithoutAGraphAndNothingElse) {
  const auto patch = attach(query);
  patch->folded_in = torch::kFloat32;
  const auto calls = [&](const Input& input) {
    patch->calls = 0;
    model->forward(input);
    return patch->calls;
  };
  model->eval();
  const Input few = random_input(3);
  EXPECT_EQ(calls(many_rows()), 1);  // nobody asked for it
  const MergesPatches merges;
  EXPECT_EQ(calls(many_rows()), 1);  // there may be a graph
  const torch::NoGradGuard no_grad;
  EXPECT_EQ(calls(many_rows()), 0);
  EXPECT_EQ(calls(few), 1);
  model->train();
  EXPECT_EQ(calls(many_rows()), 1);
  model->eval();
  query.attach("around", std::make_shared<Around>());
  EXPECT_EQ(calls(many_rows()), 1);
}

TEST_F(PlainFolding, AFoldThatFailsInAPassIsThePatchs) {
  const auto patch = attach(key);
  patch->folded_in = torch::kFloat32;
  patch->fails = true;
  model->eval();
  const MergesPatches merges;
  const torch::NoGradGuard no_grad;
  const auto text = [&]() -> std::string {
    try {
      model->forward(many_rows());
    } catch (const PatchError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(text(), "encoder.layer.1.attention.self.key.plain: fold(): it went wrong");
  patch->fails = false;
  patch->larger = true;
  EXPECT_TRUE(
      text().starts_with("encoder.layer.1.attention.self.key.plain: fold(): gives sizes [2, 2] and [32], it "
                         "must keep [32, 32] and [32]"))
      << text();
}

/// What no linear layer can absorb, however it calls itself.
struct FoldableJunction final : JunctionPatch, Foldable {
  Tensor forward(const JunctionIn& in, const JunctionNext& next) override { return next(in); }
  void fold(Tensor&, Tensor&) const override {}
};

TEST_F(PlainFolding, AJunctionHasNoWeightToFoldInto) {
  model->junction(Role::kAfterFfn, 0).attach("j", std::make_shared<FoldableJunction>());
  EXPECT_EQ(testing::error_of([&] { model->fold(); }),
            "encoder.layer.0.output.LayerNorm.j: cannot be folded into the weights; it computes something that no "
            "weight of the plain model can");
}

}  // namespace
}  // namespace plugtune::model
