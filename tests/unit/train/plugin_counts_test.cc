// plugin_counts_test.cc - what the shipped methods' products cost in a step, as counts: the arithmetic that they promise to save.
#include <gtest/gtest.h>

#include <numeric>

#include "data/batches.h"
#include "model/loss.h"
#include "plugin/loader.h"
#include "support/counters.h"
#include "support/golden.h"
#include "support/peer_settings.h"
#include "support/random_texts.h"
#include "train/methods.h"

namespace plugtune::train {
namespace {

using testing::Golden;

// The tiny model has two layers; only the texts' first rows are computed after the keys and values of the second.
constexpr int64_t kHidden = 32, kWide = 64, kLabels = 3;
constexpr int64_t kSquare = kHidden * kHidden, kFeedForward = 2 * kHidden * kWide;
constexpr int64_t kTexts = 4, kRows = 60;

/// Multiply-adds of a layer's frozen products, once.
constexpr int64_t kFirstLayer = kRows * (4 * kSquare + kFeedForward);
constexpr int64_t kLastLayer = kRows * 2 * kSquare + kTexts * (2 * kSquare + kFeedForward);
constexpr int64_t kPooler = kTexts * kSquare, kClassifier = kTexts * kHidden * kLabels;
/// Forward through all; backward through what lies above the first layer; the classifier's gradient.
constexpr int64_t kAboveFirstLayer = kFirstLayer + 2 * (kLastLayer + kPooler) + 3 * kClassifier;

plugin::LoadedStrategy load(const std::string& name, const ConfigNode& settings, const Golden* members = nullptr) {
  ConfigView::Origin origin{"strategy", "strategy '" + name + "'", "", {}};
  if (members != nullptr) {
    const nlohmann::json& options = members->description().at("settings").at("members");
    origin.open_run = [=](const std::string& run) { return testing::source_run(*members, run, options.at(run)); };
  }
  plugin::SearchPath search;
  search.plugin_path = {std::string(PLUGTUNE_BINARY_DIR) + "/lib/plugtune"};
  return plugin::load(plugin::Kind::kStrategy, name, search).create_strategy(ConfigView(settings, origin));
}

ConfigNode table(std::initializer_list<std::pair<const char*, ConfigNode>> entries) {
  ConfigNode node{ConfigNode::Table{}};
  for (const auto& [key, value] : entries)
    node.set(key, value);
  return node;
}

/// Multiply-adds of the matrix products of a step in training, those of heads of attention and of a row with a vector left out.
int64_t multiply_adds(plugin::LoadedStrategy strategy) {
  const auto bert = testing::tiny_model(TaskKind::kClassification, kLabels);
  std::vector<plugin::LoadedStrategy> loaded;
  loaded.push_back(std::move(strategy));
  Methods methods(std::move(loaded));
  methods.apply(*bert);
  for (auto& [name, parameter] : bert->own_parameters())
    if (name.starts_with("classifier.")) parameter.set_requires_grad(true);
  bert->train();
  std::vector<int64_t> all(kTexts);
  std::iota(all.begin(), all.end(), 0);
  const data::Batch batch = data::make_batch(testing::random_texts({1, 39, 5, 15}), all);
  const testing::RecordedProducts recorded;
  model::task_loss(TaskKind::kClassification, bert->forward(batch.input), batch.targets, batch.step_examples)
      .backward();
  int64_t sum = 0;
  for (const auto& [m, k, n] : recorded.products)
    sum += m * k * n;
  return sum;
}

TEST(CountsOfLora, NarrowProductsBesideTheFrozenOnes) {
  constexpr int64_t kRank = 2, kNarrow = 2 * kHidden * kRank;
  // Query and value of each layer, three times each; the first layer's input needs no gradient, neither of A nor of the projections.
  const int64_t updates = 3 * (3 * kRows + kTexts) * kNarrow - 2 * kRows * kHidden * kRank;
  const int64_t backward_in_first = kFirstLayer - kRows * 3 * kSquare;
  EXPECT_EQ(multiply_adds(load("lora", table({{"rank", {kRank}}, {"alpha", {int64_t{4}}}}))),
            kAboveFirstLayer + backward_in_first + updates);
}

TEST(CountsOfLora, AWideUpdateIsOneProductWhereThereAreManyRows) {
  constexpr int64_t kRank = 16, kNarrow = 2 * kHidden * kRank, kMerge = kSquare * kRank;
  // W + s B A, its gradient, and A's and B's from it, instead of three narrow products for each row; the last query has few rows.
  const int64_t updates = 3 * (3 * kMerge + kTexts * kNarrow) + 3 * kRows * kSquare;
  const int64_t backward_in_first = kFirstLayer - kRows * 3 * kSquare;
  EXPECT_EQ(multiply_adds(load("lora", table({{"rank", {kRank}}, {"alpha", {int64_t{4}}}}))),
            kAboveFirstLayer + backward_in_first + updates);
}

TEST(CountsOfAdapters, NoBackwardPassGoesBelowTheFirstOne) {
  constexpr int64_t kWidth = 8, kBlock = 2 * kHidden * kWidth;
  const int64_t updates = 3 * (kRows + kTexts) * kBlock - kRows * kHidden * kWidth;
  EXPECT_EQ(multiply_adds(
                load("adapter", table({{"config", {std::string("pfeiffer")}}, {"reduction_factor", {int64_t{4}}}}))),
            kAboveFirstLayer + updates);
}

TEST(CountsOfFusion, KeysAndValuesAreOneProductForAllMembers) {
  const Golden golden("fusion_dynamic");
  const int64_t widths = 8 + 4, members = 2 * kHidden * widths;  // reductions 4 and 8
  // Query, key and value of each row, three times; what the first ones read needs no gradient. Members are frozen: forward, and to
  // their input where that has a gradient.
  const int64_t attention = 3 * 3 * (kRows + kTexts) * kSquare - kRows * kSquare;
  const int64_t of_members = (kRows + 2 * kTexts) * members;
  const ConfigNode::Array sources{{std::string("a")}, {std::string("b")}};
  EXPECT_EQ(multiply_adds(
                load("adapterfusion", table({{"config", {std::string("dynamic")}}, {"sources", {sources}}}), &golden)),
            kAboveFirstLayer + attention + of_members);
}

}  // namespace
}  // namespace plugtune::train
