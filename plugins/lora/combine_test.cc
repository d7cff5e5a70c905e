// combine_test.cc - combining LoRA deltas against peft's add_weighted_adapter, and what does not go together.
#include "combine.h"

#include "foreign_file_test.h"
#include "pruning.h"

namespace plugtune {
namespace {

using namespace lora_test;
using testing::error_of;

constexpr const char* kCombineCase = "lora_combine";

std::vector<MethodDelta> members(const std::string& names) { return headless_adapters(kCombineCase, names); }
MethodDelta member(const std::string& name) { return members(name).front(); }

CombineOptions options_of(const Json& json) {
  CombineOptions options;
  options.method = json.at("method");
  options.weights = json.at("weights").get<std::vector<double>>();
  for (const char name : json.at("members").get<std::string>())
    options.names.push_back(std::string("runs/") + name);
  if (json.contains("density")) options.density = json["density"].get<double>();
  if (json.contains("rank")) options.rank = json["rank"].get<int64_t>();
  if (json.contains("seed")) options.seed = json["seed"].get<int64_t>();
  if (json.contains("sign")) options.sign = json["sign"].get<std::string>();
  return options;
}

CombinedDelta combined(const Json& json) {
  return lora::LoraExchange().combine(members(json.at("members")), options_of(json), tiny_base());
}

/// By site: A and B.
std::map<std::string, std::pair<Tensor, Tensor>> factors(const MethodDelta& delta) {
  std::map<std::string, std::pair<Tensor, Tensor>> found;
  for (const auto& [key, tensor] : delta.tensors) {
    const std::string site = key.substr(0, key.find(".lora.update."));
    (key.ends_with(".a") ? found[site].first : found[site].second) = tensor;
  }
  return found;
}

class Combine : public ::testing::TestWithParam<const char*> {
 protected:
  Combine() : golden(kCombineCase), options(golden.description().at("settings").at(GetParam())) {}
  Tensor peft(const std::string& site, const char* factor) const {
    const bool is_words = site == "embeddings.word_embeddings";
    return golden.at(std::string(GetParam()) + "/" + site + (is_words ? ".lora_embedding_" : ".lora_") + factor +
                     (is_words ? "" : ".weight"));
  }
  bool is_svd() const { return options.at("method").get<std::string>().ends_with("svd"); }
  const testing::Golden golden;
  const Json options;
};

/// peft gives every site the largest rank, and fills the rest with zeros.
::testing::AssertionResult same_but_for_zeros(const Tensor& ours, const Tensor& theirs, int64_t dimension) {
  const int64_t rank = ours.size(dimension);
  if (!torch::equal(ours, theirs.slice(dimension, 0, rank))) return ::testing::AssertionFailure() << "differs";
  if (theirs.slice(dimension, rank).count_nonzero().item<int64_t>() != 0)
    return ::testing::AssertionFailure() << "has rank " << rank << ", peft's more";
  return ::testing::AssertionSuccess();
}

TEST_P(Combine, GivesTheUpdatesOfPeft) {
  const auto ours = factors(combined(options).delta);
  size_t sites = 0;
  for (const auto& [site, low] : ours) {
    const Tensor a = peft(site, "A"), b = peft(site, "B");
    // Factors of a product have no sign of their own.
    EXPECT_TRUE(testing::near(low.second.matmul(low.first), b.matmul(a), 1e-7)) << site;
    if (!is_svd()) {
      EXPECT_TRUE(same_but_for_zeros(low.first, a, 0)) << site;
      EXPECT_TRUE(same_but_for_zeros(low.second, b, 1)) << site;
    }
    ++sites;
  }
  for (const auto& [key, tensor] : golden.tensors())
    sites -= key.starts_with(std::string(GetParam()) + "/") && key.find("_A") != std::string::npos ? 1 : 0;
  EXPECT_EQ(sites, 0u) << "peft has other sites";
}

TEST_P(Combine, GivesTheLogitsOfPeftWithItsOwnSettings) {
  const auto model = model_of(combined(options).delta, {});
  EXPECT_TRUE(testing::near(model->forward(golden.input("a")), golden.at(std::string(GetParam()) + "/logits"), 1e-7));
}

TEST_P(Combine, IsWrittenForPeftWithTheRanksThatItHas) {
  const MethodDelta delta = combined(options).delta;
  ForeignAdapter written = lora::LoraExchange().write(delta, "peft", "", tiny_base());
  written.config = testing::config_node(without_nulls(json_of(written.config)));
  ForeignTensors tensors("weights", written.tensors);
  const MethodDelta again = lora::LoraExchange().read(written, tensors, tiny_base());
  expect_same_tensors(again.tensors, delta.tensors);
  EXPECT_TRUE(
      torch::equal(model_of(again, {})->forward(golden.input("a")), model_of(delta, {})->forward(golden.input("a"))));
}

INSTANTIATE_TEST_SUITE_P(Peft, Combine,
                         ::testing::Values("linear", "linear_negative", "cat", "svd", "svd_default_rank", "ties",
                                           "ties_frequency", "ties_svd", "dare_linear", "dare_ties", "dare_linear_svd",
                                           "dare_ties_svd", "magnitude_prune", "magnitude_prune_svd"),
                         [](const auto& info) { return std::string(info.param); });

Tensor product(const std::pair<Tensor, Tensor>& low) { return low.second.matmul(low.first).to(torch::kFloat64); }

TEST(CombineErrors, AreThoseOfTheSumThatCatGives) {
  const Json members = {{"members", "abc"}, {"weights", {0.7, 0.4, 1.5}}};
  const auto with = [&](Json more) {
    more.update(members);
    return combined(more);
  };
  const CombinedDelta exact = with({{"method", "cat"}}), approximate = with({{"method", "svd"}, {"rank", 3}});
  EXPECT_TRUE(exact.errors.empty());
  ASSERT_EQ(approximate.errors.size(), 4u);
  auto sums = factors(exact.delta), cuts = factors(approximate.delta);
  for (const auto& [site, error] : approximate.errors) {
    const Tensor sum = product(sums.at(site));
    EXPECT_NEAR(error, ((product(cuts.at(site)) - sum).norm() / sum.norm()).item<double>(), 1e-6) << site;
  }
  EXPECT_GT(approximate.errors.front().second, 0.1);  // the word embedding's, of rank 8
  for (const auto& [site, error] : with({{"method", "svd"}, {"rank", 10}}).errors)
    EXPECT_LT(error, 1e-12) << site;
}

TEST(CombineErrors, OfLinearAreThoseOfAddingTheFactors) {
  const Json members = {{"members", "ab"}, {"weights", {0.7, -0.3}}};
  Json cat = members, linear = members;
  cat["method"] = "cat";
  linear["method"] = "linear";
  const CombinedDelta rough = combined(linear);
  auto sums = factors(combined(cat).delta), ours = factors(rough.delta);
  ASSERT_EQ(rough.errors.size(), 3u);
  for (const auto& [site, error] : rough.errors) {
    const Tensor sum = product(sums.at(site));
    EXPECT_NEAR(error, ((product(ours.at(site)) - sum).norm() / sum.norm()).item<double>(), 1e-5) << site;
  }
}

TEST(CombineDare, KeepsTheMeanAndTheDensity) {
  const lora::Algorithm dare = {"dare", lora::Space::kFactors, lora::Pruning::kRandom, false};
  CombineOptions options;
  options.method = "dare";
  options.density = 0.2;
  options.seed = 9;
  const Tensor ones = torch::ones({500, 400});
  lora::Adder adder(dare, options), same(dare, options);
  const Tensor sum = adder.add({ones}, {1.0});
  EXPECT_NEAR(sum.mean().item<double>(), 1, 0.02);  // 5 standard deviations are 0.022
  EXPECT_NEAR(sum.count_nonzero().item<double>() / 200000, 0.2, 0.0045);
  EXPECT_TRUE(torch::equal(sum, same.add({ones}, {1.0})));
  EXPECT_FALSE(torch::equal(sum, adder.add({ones}, {1.0})));  // the next tensor has a mask of its own
}

TEST(CombineTies, AFullDensityPrunesNothingAndOnlyElects) {
  const Json json = {{"members", "aa"}, {"weights", {0.5, 0.5}}, {"method", "ties"}, {"density", 1.0}};
  auto ours = factors(combined(json).delta);
  for (const auto& [site, low] : factors(member("a"))) {
    // w s = 1 of each, and the mean of two equal ones is one.
    EXPECT_TRUE(testing::near(ours.at(site).first, low.first, 0)) << site;
    EXPECT_TRUE(testing::near(ours.at(site).second, low.second, 0)) << site;
  }
}

TEST(CombineSettings, StayInTheWordsOfTheFirstWhereTheTargetsAreTheSame) {
  MethodDelta first = member("a"), second = member("b");
  for (MethodDelta* delta : {&first, &second}) {
    delta->settings.set("targets", testing::config_node({"word_embeddings", "/.*0.attention.self.query/",
                                                         "encoder.layer.1.output.dense"}));
  }
  first.settings.set("dropout", {0.25});
  CombineOptions options = options_of({{"members", "ab"}, {"weights", {1, 1}}, {"method", "cat"}});
  const CombinedDelta result = lora::LoraExchange().combine({first, second}, options, tiny_base());
  EXPECT_EQ(
      json_of(result.delta.settings),
      Json::parse(R"({"targets": ["word_embeddings", "/.*0.attention.self.query/", "encoder.layer.1.output.dense"],
                            "layers": null, "exclude": [], "rank": 8, "alpha": 8.0, "dropout": 0.25, "name": "lora"})"));
}

TEST(CombineSettings, NameEverySiteAndItsRankWhereTheyDiffer) {
  const CombinedDelta result = combined({{"members", "ac"}, {"weights", {1, 1}}, {"method", "cat"}});
  const Json ranks = {{"embeddings.word_embeddings", 4},
                      {"encoder.layer.0.attention.self.key", 2},
                      {"encoder.layer.1.output.dense", 4}};
  EXPECT_EQ(json_of(result.delta.settings),
            Json({{"targets",
                   {"embeddings.word_embeddings", "encoder.layer.0.attention.self.query",
                    "encoder.layer.0.attention.self.key", "encoder.layer.1.output.dense"}},
                  {"rank", 6},
                  {"alpha", 6.0},
                  {"ranks", ranks},
                  {"alphas", ranks},
                  {"dropout", 0.0},
                  {"name", "lora"}}));
}

TEST(CombineRefusal, OptionsThatAMethodDoesNotUseOrThatAreOutOfRange) {
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"method", "tise"}},
       "combine: there is no method 'tise'; did you mean 'ties'? methods of strategy 'lora': svd, cat, linear, ties, "
       "ties_svd, dare, dare_linear, dare_linear_svd, dare_ties, dare_ties_svd, magnitude_prune, magnitude_prune_svd"},
      {{{"method", "ties"}, {"density", 1.5}},
       "combine: --density must be above 0 and at most 1 (the part of the numbers that is kept), got 1.5"},
      {{{"method", "dare"}, {"density", 0.0}},
       "combine: --density must be above 0 and at most 1 (the part of the numbers that is kept), got 0"},
      {{{"method", "cat"}, {"density", 0.5}},
       "combine: --density is of methods that prune, and cat does not; leave it out"},
      {{{"method", "ties"}, {"seed", 1}},
       "combine: --seed is of methods that prune at random, and ties does not; leave it out"},
      {{{"method", "linear"}, {"rank", 4}},
       "combine: --rank is of methods that choose a rank, and linear does not; leave it out"},
      {{{"method", "dare"}, {"sign", "total"}},
       "combine: --sign is of methods that elect signs, and dare does not; leave it out"},
      {{{"method", "ties"}, {"sign", "most"}}, "combine: --sign must be one of total, frequency, got 'most'"},
  };
  for (const auto& [options, text] : cases) {
    Json json = options;
    json["members"] = "ab";
    json["weights"] = {1, 1};
    EXPECT_EQ(error_of([&] { combined(json); }), text);
  }
}

TEST(CombineRefusal, RunsThatDoNotGoTogether) {
  const auto refusal = [](const char* method, const std::vector<MethodDelta>& deltas) {
    const CombineOptions options = options_of({{"members", "ab"}, {"weights", {1, 1}}, {"method", method}});
    return error_of([&] { lora::LoraExchange().combine(deltas, options, tiny_base()); });
  };
  const auto with = [](const char* key, const Json& value) {
    MethodDelta delta = member("b");
    delta.settings.set(key, testing::config_node(value));
    return delta;
  };
  EXPECT_EQ(
      refusal("linear", {member("a"), member("c")}),
      "combine: linear needs the same targets in every run, embeddings.word_embeddings is tuned in runs/a and not "
      "in runs/b; cat and svd take any");
  EXPECT_EQ(refusal("ties", {member("a"), with("ranks", {{"word_embeddings", 7}})}),
            "combine: ties needs the same rank in every run, embeddings.word_embeddings has rank 4 in runs/a and 7 in "
            "runs/b; cat and svd take any");
  EXPECT_EQ(refusal("cat", {member("a"), with("dora", true)}),
            "combine: runs/b is DoRA, whose magnitudes do not add up; merge the run instead");
  EXPECT_EQ(refusal("cat", {member("a"), with("bias", "all")}),
            "combine: runs/b has trained biases (bias = \"all\"), which belong to one run only; merge the run instead");
  EXPECT_EQ(refusal("cat", {member("a"), with("targets", {"query", "classifier"})}),
            "combine: runs/b has an update of the classifier, which is a part of the head; merge the run instead");
}

}  // namespace
}  // namespace plugtune
