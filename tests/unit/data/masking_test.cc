// masking_test.cc - what is chosen, how often, and that it is always the same.
#include "data/masking.h"

#include <gmock/gmock.h>

#include <set>

#include "plugtune/error.h"
#include "unit/data/support.h"

namespace plugtune::testing {
namespace {

using data::Masking;
using data::MaskingOptions;

/// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then 40 words and 40 continuations.
text::Tokenizer tokenizer() {
  std::vector<std::string> tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (const char* prefix : {"", "##"}) {
    for (char c = 'a'; c < 'a' + 20; ++c)
      for (const char* end : {"x", "y"})
        tokens.push_back(prefix + std::string(1, c) + end);
  }
  return text::Tokenizer(text::Vocabulary(tokens), {});
}
constexpr int32_t kFirstWord = 5, kFirstContinuation = 45, kEnd = 85;

/// [CLS] word ##piece ##piece word ##piece ##piece ... [UNK] [SEP]
std::vector<int32_t> sequence(int64_t words) {
  std::vector<int32_t> ids = {2};
  for (int64_t i = 0; i < words; ++i) {
    ids.push_back(kFirstWord + static_cast<int32_t>(i % 40));
    ids.push_back(kFirstContinuation + static_cast<int32_t>(i % 40));
    ids.push_back(kFirstContinuation + static_cast<int32_t>(i * 7 % 40));
  }
  ids.insert(ids.end(), {1, 3});
  return ids;
}

bool equal(const std::vector<Masking::Choice>& a, const std::vector<Masking::Choice>& b) {
  return std::ranges::equal(a, b,
                            [](const auto& x, const auto& y) { return x.position == y.position && x.seen == y.seen; });
}

TEST(Masking, Chooses15PercentOfTheTokensAndMasks80ReplacesTenKeepsTen) {
  const Masking masking(tokenizer(), {});
  const std::vector<int32_t> ids = sequence(40);
  double chosen = 0, masked = 0, kept = 0, replaced = 0;
  std::set<int32_t> words;
  constexpr int kExamples = 2000;
  for (int example = 0; example < kExamples; ++example) {
    for (const Masking::Choice& choice : masking.choose(ids, /*epoch=*/0, example)) {
      const int32_t id = ids[static_cast<size_t>(choice.position)];
      EXPECT_GE(id, kFirstWord) << "a special token was chosen";
      ++chosen;
      if (choice.seen == 4) {
        ++masked;
      } else if (choice.seen == id) {
        ++kept;
      } else {
        ++replaced;
        words.insert(choice.seen);
      }
    }
  }
  // 240,000 tokens: four standard deviations are below 0.003 of the rate and 0.009 of the shares.
  EXPECT_NEAR(chosen / (kExamples * 120), 0.15, 0.003);
  EXPECT_NEAR(masked / chosen, 0.8, 0.009);
  EXPECT_NEAR(replaced / chosen, 0.1 * 79 / 80, 0.007);  // one in 80 replaces a word by itself
  EXPECT_NEAR(kept / chosen, 0.1 + 0.1 / 80, 0.007);
  EXPECT_EQ(words.size(), 80u);  // any word, and never a special token
  EXPECT_GE(*words.begin(), kFirstWord);
  EXPECT_LT(*words.rbegin(), kEnd);
}

TEST(Masking, ChoosesThePiecesOfAWordTogetherWhenWholeWordsAreAskedFor) {
  const Masking masking(tokenizer(), {.probability = 0.3, .whole_words = true});
  const std::vector<int32_t> ids = sequence(40);
  double chosen = 0;
  for (int example = 0; example < 500; ++example) {
    const auto choices = masking.choose(ids, /*epoch=*/0, example);
    ASSERT_EQ(choices.size() % 3, 0u);
    for (size_t i = 0; i < choices.size(); i += 3) {
      EXPECT_EQ((choices[i].position - 1) % 3, 0);
      EXPECT_EQ(choices[i + 1].position, choices[i].position + 1);
      EXPECT_EQ(choices[i + 2].position, choices[i].position + 2);
    }
    chosen += static_cast<double>(choices.size());
  }
  EXPECT_NEAR(chosen / (500 * 120), 0.3, 0.02);
}

TEST(Masking, DependsOnSeedEpochAndExampleAndOnNothingElse) {
  const std::vector<int32_t> ids = sequence(40);
  const Masking masking(tokenizer(), {.seed = 7}), again(tokenizer(), {.seed = 7}), other(tokenizer(), {.seed = 8});
  const auto choices = masking.choose(ids, 3, 11);
  EXPECT_FALSE(choices.empty());
  masking.choose(ids, 4, 12);
  EXPECT_TRUE(equal(masking.choose(ids, 3, 11), choices));
  EXPECT_TRUE(equal(again.choose(ids, 3, 11), choices));
  EXPECT_FALSE(equal(other.choose(ids, 3, 11), choices));
  EXPECT_FALSE(equal(masking.choose(ids, 4, 11), choices));
  EXPECT_FALSE(equal(masking.choose(ids, 3, 12), choices));
  const int64_t evaluation = Masking::kEvaluation;
  EXPECT_TRUE(equal(masking.choose(ids, evaluation, 11), other.choose(ids, evaluation, 11)))
      << "runs of different seeds are compared on the same masks";
}

TEST(Masking, IsTheSameOnEveryMachine) {
  std::vector<int64_t> positions;
  for (const auto& choice : Masking(tokenizer(), {}).choose(sequence(20), 1, 2))
    positions.push_back(choice.position);
  EXPECT_THAT(positions, ::testing::ElementsAre(5, 10, 17, 28, 41, 43, 44, 51, 56, 59));  // as first seen
}

TEST(Masking, HasNothingToChooseInATextOfSpecialTokens) {
  const Masking masking(tokenizer(), {.probability = 0.999});
  EXPECT_TRUE(masking.choose(std::vector<int32_t>{2, 1, 4, 0, 3}, 0, 0).empty());
  EXPECT_TRUE(masking.choose({}, 0, 0).empty());
}

TEST(Masking, NeedsAMaskToken) {
  try {
    Masking(text::Tokenizer(text::Vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"}), {}), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "task.kind: the model's vocabulary has no mask token '[MASK]', which a masked-lm task needs");
  }
}

/// Labelled texts, one without a word that could be chosen, for masked LM.
data::EncodedSplit masked_split(double probability, std::vector<Example> examples) {
  data::EncodeOptions options;
  options.masking = std::make_shared<Masking>(letters(), MaskingOptions{.probability = probability});
  return data::encode(MemoryDataset(two_labels(), std::move(examples)), Split::kTest, letters(), options);
}

TEST(MaskedBatch, HasTheChosenIdsAsTargetsAndWhatIsSeenInTheirPlace) {
  const data::EncodedSplit split = masked_split(0.5, {example(words(9)), example("", 1), example(words(5), 1)});
  EXPECT_EQ(split.task.kind, TaskKind::kText);
  EXPECT_TRUE(split.task.labels.empty());
  const data::Batch batch = data::make_batch(split, {2, 1, 0}, /*epoch=*/3);
  const data::Batch plain = [&] {
    data::EncodedSplit unmasked = split;
    unmasked.masking.reset();
    return data::make_batch(unmasked, {2, 1, 0});
  }();
  ASSERT_GT(batch.targets.numel(), 0);
  EXPECT_EQ(batch.step_examples, batch.targets.numel());
  EXPECT_TRUE(plain.input.ids.index_select(0, batch.input.read_rows).equal(batch.targets));
  Tensor restored = batch.input.ids.clone();
  restored.index_copy_(0, batch.input.read_rows, batch.targets);
  EXPECT_TRUE(restored.equal(plain.input.ids)) << "rows that are not read stay as they were";
  EXPECT_EQ(batch.input.read_rows.scalar_type(), torch::kInt64);
}

TEST(MaskedBatch, MayHaveNothingToGuess) {
  const data::Batch batch = data::make_batch(masked_split(0.5, {example("")}), {0});
  EXPECT_EQ(batch.input.read_rows.sizes(), torch::IntArrayRef({0}));
  EXPECT_EQ(batch.targets.sizes(), torch::IntArrayRef({0}));
  EXPECT_EQ(batch.step_examples, 0);
}

TEST(MaskedBatch, CountsTheChosenTokensOfTheWholeStepInEachMicroBatchAndMasksEachEpochAnew) {
  std::vector<Example> examples;
  for (int64_t i = 0; i < 8; ++i)
    examples.push_back(example(words(10)));
  const data::EncodedSplit split = masked_split(0.3, examples);
  const data::BatchPlan plan(split, {.batch_size = 8, .micro_batch_tokens = 30});
  const std::vector<data::Batch> step = plan.step(0), next = plan.step(1);
  ASSERT_GT(step.size(), 1u);
  int64_t chosen = 0;
  for (const data::Batch& batch : step)
    chosen += batch.targets.size(0);
  for (const data::Batch& batch : step)
    EXPECT_EQ(batch.step_examples, chosen);
  const auto of_first_example = [](const std::vector<data::Batch>& batches) {
    for (const data::Batch& batch : batches) {
      for (size_t b = 0; b < batch.indices.size(); ++b) {
        const auto at = static_cast<int64_t>(b);
        if (batch.indices[b] == 0)
          return batch.input.ids.slice(0, batch.input.layout.offset(at), batch.input.layout.offset(at + 1));
      }
    }
    return Tensor();
  };
  EXPECT_FALSE(of_first_example(step).equal(of_first_example(next)));
  EXPECT_TRUE(of_first_example(step).equal(of_first_example(data::BatchPlan(split, {.batch_size = 8}).step(0))))
      << "how a step is cut changes no mask";
}

TEST(MaskedSplit, DoesNotCareWhatLabelsTheTextsHave) {
  const data::EncodedSplit split = masked_split(0.15, {example("a b", 0), example("a b", 1)});
  EXPECT_EQ(split.duplicates, 1);
  EXPECT_EQ(split.conflicting, 0);
}

}  // namespace
}  // namespace plugtune::testing
