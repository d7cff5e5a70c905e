// batches_test.cc - every example once per epoch, in steps that depend on nothing but the seed; packed rows and targets.
#include "data/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "support.h"

namespace plugtune::testing {
namespace {

using data::Batch;
using data::BatchPlan;
using data::BatchSettings;
using ::testing::ElementsAre;

std::vector<int64_t> indices_of(const std::vector<Batch>& step) {
  std::vector<int64_t> all;
  for (const Batch& batch : step)
    all.insert(all.end(), batch.indices.begin(), batch.indices.end());
  return all;
}

std::vector<int64_t> values_of(const Tensor& tensor) {
  const Tensor flat = tensor.contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

TEST(BatchPlan, HasEveryExampleOnceInEachEpoch) {
  for (const size_t size : {1, 31, 32, 33, 500}) {
    const data::EncodedSplit split = ragged_split(size, 40);
    for (const bool grouped : {false, true}) {
      const BatchPlan plan(split, {.batch_size = 32, .micro_batch_tokens = 100, .group_by_length = grouped, .seed = 3});
      EXPECT_EQ(plan.steps_per_epoch(), static_cast<int64_t>((size + 31) / 32));
      for (int64_t epoch = 0; epoch < 3; ++epoch) {
        std::vector<int64_t> seen;
        for (int64_t i = 0; i < plan.steps_per_epoch(); ++i) {
          const std::vector<int64_t> step = indices_of(plan.step(epoch * plan.steps_per_epoch() + i));
          EXPECT_LE(step.size(), 32u);
          seen.insert(seen.end(), step.begin(), step.end());
        }
        std::sort(seen.begin(), seen.end());
        std::vector<int64_t> all(size);
        std::iota(all.begin(), all.end(), 0);
        EXPECT_EQ(seen, all) << size << (grouped ? " grouped" : " uniform");
      }
    }
  }
}

TEST(BatchPlan, GivesTheSameSequencesPerStepForAnyMicroBatch) {
  const data::EncodedSplit split = ragged_split(200, 60);
  const BatchPlan whole(split, {.batch_size = 16, .micro_batch_tokens = 1 << 20, .seed = 5});
  for (const int64_t tokens : {1, 50, 100, 333, 0}) {
    const BatchPlan plan(split, {.batch_size = 16, .micro_batch_tokens = tokens, .seed = 5});
    for (int64_t i = 0; i < 2 * plan.steps_per_epoch(); ++i) {
      const std::vector<Batch> step = plan.step(i);
      EXPECT_EQ(indices_of(step), indices_of(whole.step(i)));
      for (size_t k = 0; k < step.size(); ++k) {
        EXPECT_EQ(step[k].ends_step, k + 1 == step.size());
        EXPECT_EQ(step[k].step_examples, static_cast<int64_t>(indices_of(step).size()));
        const bool fits = step[k].input.layout.rows() <= (tokens > 0 ? tokens : 4096);
        EXPECT_TRUE(fits || step[k].indices.size() == 1) << "only a longer sequence may exceed the budget, alone";
      }
    }
  }
}

TEST(BatchPlan, IsAFunctionOfSeedAndStepAlone) {
  const data::EncodedSplit split = ragged_split(100, 20);
  const BatchSettings settings{.batch_size = 8, .seed = 9};
  const BatchPlan plan(split, settings), resumed(split, settings);
  std::vector<std::vector<int64_t>> steps;
  for (int64_t i = 0; i < 3 * plan.steps_per_epoch(); ++i)
    steps.push_back(indices_of(plan.step(i)));
  for (int64_t i = static_cast<int64_t>(steps.size()) - 1; i >= 0;
       --i)  // backwards: nothing depends on what came before
    EXPECT_EQ(indices_of(resumed.step(i)), steps[static_cast<size_t>(i)]);

  BatchSettings other = settings;
  other.seed = 10;
  EXPECT_NE(data::epoch_order(split, settings, 0), data::epoch_order(split, other, 0));
  EXPECT_NE(data::epoch_order(split, settings, 0), data::epoch_order(split, settings, 1));
}

// The numbers are those of the standard's seed_seq and mt19937_64 written out again in Python.
TEST(EpochOrder, IsTheSameOnEveryMachine) {
  EXPECT_THAT(data::epoch_order(ragged_split(10, 5), {.seed = 42}, 0), ElementsAre(0, 6, 5, 1, 3, 9, 7, 8, 4, 2));
}

TEST(EpochOrder, GroupsLengthsAsTransformersDoes) {
  const data::EncodedSplit split = ragged_split(640, 60);
  const BatchSettings settings{.batch_size = 8, .group_by_length = true, .seed = 1};
  const std::vector<int64_t> order = data::epoch_order(split, settings, 0);
  const auto length = [&](int64_t i) { return split.length(static_cast<size_t>(i)); };
  int64_t longest = 0, spread = 0;
  for (size_t i = 0; i < split.size(); ++i)
    longest = std::max(longest, split.length(i));
  EXPECT_EQ(length(order[0]), longest) << "the longest comes first: memory runs out at once or not at all";
  for (size_t begin = 0; begin < order.size(); begin += 8) {
    const auto [least, most] = std::minmax_element(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                                   order.begin() + static_cast<std::ptrdiff_t>(begin) + 8,
                                                   [&](int64_t a, int64_t b) { return length(a) < length(b); });
    spread += length(*most) - length(*least);
  }
  EXPECT_LT(spread / 80, 8) << "20 batches of 8 out of lengths up to 62 are sorted together";
  // 640 / (8 * 4) = 20 batches of 8 form a piece; only the swap of the longest breaks its descending order.
  for (size_t piece = 0; piece < 640; piece += 160) {
    int64_t ascents = 0;
    for (size_t i = piece + 1; i < piece + 160; ++i)
      ascents += length(order[i]) > length(order[i - 1]);
    EXPECT_LE(ascents, 1);
  }
}

TEST(MakeBatch, PacksIdsTypesAndPositionsWithoutPadding) {
  Example pair = example("a b"), alone = example("c");
  pair.text_b = "d";
  const MemoryDataset dataset(two_labels(/*pairs=*/true), {pair, alone});
  const data::EncodedSplit split = data::encode(dataset, Split::kTrain, letters(), {});
  const Batch batch = data::make_batch(split, {1, 0, 1});
  EXPECT_THAT(values_of(batch.input.ids), ElementsAre(2, 7, 3, 3, 2, 5, 6, 3, 8, 3, 2, 7, 3, 3));
  EXPECT_THAT(values_of(batch.input.types), ElementsAre(0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1));
  EXPECT_THAT(values_of(batch.input.positions), ElementsAre(0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3));
  EXPECT_THAT(batch.input.layout.host_offsets(), ElementsAre(0, 4, 10, 14));
  EXPECT_THAT(batch.indices, ElementsAre(1, 0, 1));
  EXPECT_EQ(batch.step_examples, 3);
  EXPECT_TRUE(batch.ends_step);
}

TEST(MakeBatch, MakesTheTargetsOfEachTask) {
  Example first = example("a", 0b101), second = example("b", 0b010);
  first.value = 1.5;
  second.value = -2;
  const auto targets = [&](TaskKind kind) {
    std::vector<std::string> labels = {"x", "y", "z"};
    if (kind == TaskKind::kClassification) labels.insert(labels.end(), {"u", "v", "w"});
    const MemoryDataset dataset({kind, labels, false}, {first, second});
    return data::make_batch(data::encode(dataset, Split::kTrain, letters(), {}), {1, 0}).targets;
  };
  EXPECT_TRUE(targets(TaskKind::kClassification).equal(torch::tensor({2, 5}, torch::kInt64)));
  EXPECT_TRUE(targets(TaskKind::kRegression).equal(torch::tensor({-2.0f, 1.5f})));
  EXPECT_TRUE(targets(TaskKind::kMultiLabel).equal(torch::tensor({{0.0f, 1.0f, 0.0f}, {1.0f, 0.0f, 1.0f}})));
  EXPECT_FALSE(targets(TaskKind::kText).defined());
}

TEST(EvaluationBatches, HaveEveryExampleOnceLongestFirst) {
  const data::EncodedSplit split = ragged_split(300, 50);
  std::set<int64_t> seen;
  int64_t last = 1 << 30;
  for (const std::vector<int64_t>& batch : data::evaluation_batches(split, 200)) {
    int64_t rows = 0;
    for (const int64_t index : batch) {
      const int64_t length = split.length(static_cast<size_t>(index));
      EXPECT_LE(length, last);
      last = length;
      rows += length;
      EXPECT_TRUE(seen.insert(index).second);
    }
    EXPECT_TRUE(rows <= 200 || batch.size() == 1);
  }
  EXPECT_EQ(seen.size(), 300u);
  EXPECT_EQ(data::evaluation_batches(split, 1).size(), 300u);
}

}  // namespace
}  // namespace plugtune::testing
