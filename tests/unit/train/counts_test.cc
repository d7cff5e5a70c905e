// counts_test.cc - what a training step costs in counts: allocations, products and their rows, bytes kept for backward. These are
// the regressions of speed and memory that a test can see; times are measured by `plugtune bench` and never asserted.

#include <gtest/gtest.h>

#include <numeric>

#include "model/loss.h"
#include "plugtune/plugtune.h"
#include "support/counters.h"
#include "support/random_texts.h"
#include "train/evaluator.h"
#include "train/trainer.h"

namespace plugtune::train {
namespace {

using testing::CountingAllocator;
using testing::Product;

constexpr int64_t kHidden = 32, kHeads = 4, kWide = 64, kRank = 2, kLabels = 3, kWords = 100;

enum class Trained { kAll, kHead, kPatches };

/// x + rank-2 update of query and value in every layer, with nothing clever: what a plugin's author would write first.
class LowRank final : public LinearPatch {
 public:
  explicit LowRank(const LinearSite& site)
      : a_(register_parameter("a", torch::randn({kRank, site.in_features()}))),
        b_(register_parameter("b", torch::zeros({site.out_features(), kRank}))) {}
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x) + x.mm(a_.t()).mm(b_.t()); }

 private:
  Tensor a_, b_;
};

std::shared_ptr<model::Bert> random_model(int64_t layers, Trained trained) {
  model::BertOptions options;
  options.layers = layers;
  options.hidden_size = kHidden;
  options.heads = kHeads;
  options.head_size = kHidden / kHeads;
  options.feed_forward_size = kWide;
  options.vocabulary_size = kWords;
  options.max_positions = 64;
  options.layer_norm_eps = 1e-12;
  options.initializer_range = 0.02;
  options.activation = "gelu";
  options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0.1;
  options.labels = kLabels;
  torch::manual_seed(1);
  auto bert = std::make_shared<model::Bert>(options);
  bert->reset_parameters();
  for (auto& [name, parameter] : bert->own_parameters())
    if (model::is_head_parameter(name)) parameter.set_requires_grad(true);
  if (trained == Trained::kAll)
    for (const auto& [name, parameter] : bert->base_parameters())
      bert->train_base(name);
  if (trained == Trained::kPatches)
    for (int64_t layer = 0; layer < layers; ++layer)
      for (const Role role : {Role::kQuery, Role::kValue}) {
        LinearSite& site = bert->linear(role, layer);
        site.attach("low_rank", std::make_shared<LowRank>(site));
      }
  bert->train();
  return bert;
}

data::Batch batch_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> all(lengths.size());
  std::iota(all.begin(), all.end(), 0);
  return data::make_batch(testing::random_texts(lengths), all);
}

Tensor loss_of(model::Bert& bert, const data::Batch& batch) {
  return model::task_loss(TaskKind::kClassification, bert.forward(batch.input), batch.targets, batch.step_examples);
}

/// Notes how many allocations there have been at the end of each step.
class AllocationsOfSteps final : public Listener {
 public:
  void on_step(const StepReport&) override { counts.push_back(CountingAllocator::instance().count); }
  void on_evaluation(const EvalReport&) override {}
  void on_message(const std::string&) override {}
  std::vector<int64_t> counts;
};

/// Allocations of each of 12 steps of 4 texts, of 1 to 48 tokens each.
std::vector<int64_t> allocations_of_steps(int64_t layers, Trained trained) {
  CountingAllocator::instance();
  std::vector<int64_t> lengths(48);
  std::iota(lengths.begin(), lengths.end(), 1);
  const data::EncodedSplit split = testing::random_texts(lengths);
  const auto bert = random_model(layers, trained);
  const Methods methods;
  AllocationsOfSteps listener;
  TrainSettings settings;
  settings.steps = 12;
  settings.batch_size = 4;
  settings.log_every = 1;
  settings.cache_frozen = false;
  settings.checkpoint_every.steps = Every::kNever;
  Trainer trainer({*bert, methods, split, nullptr, nullptr, listener, settings, {}, 42});
  trainer.run(/*resume=*/false);
  std::vector<int64_t> steps(listener.counts.size());
  std::adjacent_difference(listener.counts.begin(), listener.counts.end(), steps.begin());
  return {steps.begin() + 2, steps.end()};
}

/// What each way of training is expected to cost.
struct Expected {
  Trained trained;
  const char* name;
  int64_t step;   ///< allocations of a whole step of a model of two layers
  int64_t layer;  ///< allocations of each further layer
  int64_t
      saved_below;  ///< floats kept for backward of each row: by the embeddings, and for keys and values of the last layer
  int64_t saved_layer;  ///< and by each layer but the last
};

// Allocations of a layer. Forward: projections 1, attention 2 (rows, log-sum-exp), output 1, junction 3 (rows, normalised rows,
// 1/std), up 1, GELU 1, down 1, junction 3: 13. Backward: a junction 4 (two rows, parameters by chunks and summed), a linear with a
// bias 3 (input, bias by chunks and summed), GELU 3, up 1, attention 1, projections 7: 26. Gradients of weights are added in place.
// Without a graph a junction is 1: 9. A patched query or value is 4 forward (product, two narrow ones, sum) and 5 backward.
//
// Saved of a row: projections 3H, attention's rows H and a number for each head, normalised rows H and 1/std of two junctions, their
// results H each, before and after GELU 2F. No mask, no copy, no probabilities. With frozen weights, what goes into attention's
// output and the feed-forward layers is not kept: 2H and F less; the layer's input is, for the patches, with their narrow products.
constexpr int64_t kSavedLayer = 8 * kHidden + 2 * kWide + kHeads + 2;
constexpr int64_t kSavedFrozenLayer = kSavedLayer - 2 * kHidden - kWide;
const Expected kExpected[] = {
    {Trained::kAll, "All", 144, 39, (2 * kHidden + 1) + 2 * kHidden, kSavedLayer},
    {Trained::kHead, "Head", 63, 9, 0, 0},
    {Trained::kPatches, "Patches", 127, 43, kHidden + 2 * kHidden + kRank, kSavedFrozenLayer + 2 * kRank},
};

class Counts : public ::testing::TestWithParam<Expected> {};

TEST_P(Counts, AllocationsOfAStepDependOnLayersAloneNotOnRows) {
  for (const int64_t layers : {2, 3, 5}) {
    const int64_t expected = GetParam().step + (layers - 2) * GetParam().layer;
    EXPECT_EQ(allocations_of_steps(layers, GetParam().trained), std::vector<int64_t>(10, expected)) << layers;
  }
}

/// Multiply-adds of a step's matrix products without those of heads of attention: what the formulas say for N rows of B texts.
int64_t multiply_adds(int64_t layers, Trained trained, int64_t rows, int64_t texts) {
  const int64_t square = kHidden * kHidden, ffn = 2 * kHidden * kWide, narrow = 2 * kHidden * kRank;
  const int64_t classifier = texts * kHidden * kLabels;
  // After the last layer's keys and values, the texts' first rows are all that is computed.
  const int64_t forward = (layers - 1) * rows * (4 * square + ffn) + rows * 2 * square + texts * (2 * square + ffn) +
                          texts * square + classifier;
  if (trained == Trained::kAll) return 3 * forward;
  if (trained == Trained::kHead) return forward + classifier;  // and the classifier's weight gradient
  const int64_t patches = (layers - 1) * 2 * rows * narrow + (rows + texts) * narrow;
  const int64_t below = rows * 3 * square;  // the first projections' input needs no gradient
  return forward + (forward - below) + classifier + 3 * patches - 2 * rows * kHidden * kRank;
}

TEST_P(Counts, ProductsHavePackedRowsAndFirstRowsInTheLastLayer) {
  for (const int64_t layers : {2, 3}) {
    const auto bert = random_model(layers, GetParam().trained);
    const auto products_of = [&](const std::vector<int64_t>& lengths) {
      const data::Batch batch = batch_of(lengths);
      const int64_t rows = batch.input.layout.rows(), texts = batch.input.layout.sequences();
      const testing::RecordedProducts recorded;
      loss_of(*bert, batch).backward();
      int64_t sum = 0;
      for (const auto& [m, k, n] : recorded.products)
        sum += m * k * n;
      EXPECT_EQ(sum, multiply_adds(layers, GetParam().trained, rows, texts))
          << layers << " layers, " << rows << " rows";
      return recorded.products;
    };
    // The longest text does not matter: with padding these would be 156 rows against 60.
    EXPECT_EQ(products_of({1, 39, 5, 15}), products_of({15, 15, 15, 15}));
    products_of({10, 20, 30, 40});
  }
}

TEST_P(Counts, BytesOfAStepDoNotDependOnTheLongestText) {
  const auto bert = random_model(3, GetParam().trained);
  CountingAllocator& memory = CountingAllocator::instance();
  const auto bytes_of = [&](const std::vector<int64_t>& lengths) {
    const data::Batch batch = batch_of(lengths);
    const int64_t before = memory.total;
    loss_of(*bert, batch).backward();
    return memory.total - before;
  };
  bytes_of({8, 8, 8, 8});  // gradients that are made once
  EXPECT_EQ(bytes_of({1, 39, 5, 15}), bytes_of({15, 15, 15, 15}));
}

TEST_P(Counts, BackwardKeepsWhatItNeedsAndNoMore) {
  CountingAllocator& memory = CountingAllocator::instance();
  for (const int64_t layers : {2, 3, 5}) {
    const auto bert = random_model(layers, GetParam().trained);
    const auto saved = [&](const std::vector<int64_t>& lengths) {
      const data::Batch batch = batch_of(lengths);
      const int64_t before = memory.live;
      const Tensor loss = loss_of(*bert, batch);
      return memory.live - before;
    };
    const int64_t floats_of_a_row = GetParam().saved_below + (layers - 1) * GetParam().saved_layer;
    EXPECT_EQ(saved({10, 20, 30, 40}) - saved({1, 39, 5, 15}), 40 * floats_of_a_row * 4) << layers << " layers";
  }
}

INSTANTIATE_TEST_SUITE_P(Trained, Counts, ::testing::ValuesIn(kExpected),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CountsOfAHead, NoBackwardPassGoesBelowIt) {
  for (const int64_t layers : {2, 5}) {
    const auto bert = random_model(layers, Trained::kHead);
    const data::Batch batch = batch_of({1, 39, 5, 15});
    EXPECT_FALSE(bert->first_rows(batch.input).requires_grad());
    const Tensor loss = loss_of(*bert, batch);
    const testing::RecordedProducts recorded;
    loss.backward();
    EXPECT_EQ(recorded.products, (std::vector<Product>{{kLabels, 4, kHidden}}))
        << "the classifier's weight gradient alone";
  }
}

TEST(CountsOfPrediction, NoGraphIsMade) {
  CountingAllocator& memory = CountingAllocator::instance();
  std::vector<int64_t> lengths(64, 30), peaks;
  const data::EncodedSplit split = testing::random_texts(lengths);
  for (const int64_t layers : {3, 4, 8}) {
    const auto bert = random_model(layers, Trained::kAll);
    predict(*bert, split, 960);
    const int64_t before = memory.live;
    memory.peak = before;
    const Predictions predictions = predict(*bert, split, 960);
    peaks.push_back(memory.peak - before);
    EXPECT_FALSE(predictions.logits.requires_grad());
    // What is left: the answers and their targets, none of the rows.
    EXPECT_EQ(memory.live - before, 64 * kLabels * 4 + 64 * 8);
  }
  EXPECT_EQ(peaks, std::vector<int64_t>(3, peaks.front())) << "nothing is kept from layer to layer";
  // Rows of one batch at the widest place: words, embeddings, what goes into the layer, its attention's rows, the first junction's
  // (5H), before and after GELU (2F); ids, types, positions and the layout (8), and little of each text.
  EXPECT_LE(peaks.front(), 960 * (5 * kHidden + 2 * kWide + 8) * 4 + 64 * 64);
}

}  // namespace
}  // namespace plugtune::train
