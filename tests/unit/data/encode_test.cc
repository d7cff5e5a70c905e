// encode_test.cc - rows to ids, what is left out, and every warning.
#include "data/encode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugtune/error.h"
#include "support.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;

std::vector<int32_t> ids_of(const data::EncodedSplit& split, size_t i) {
  return {split.texts[i].begin(), split.texts[i].end()};
}

TEST(Encode, KeepsEmptyRowsOutOfTrainingAndCountsThem) {
  const std::vector<Example> examples = {example("a b", 1), example(" \t", 0), example("c", 0), example("\u3000", 1)};
  const MemoryDataset dataset(two_labels(), examples);
  const data::EncodedSplit train = data::encode(dataset, Split::kTrain, letters(), {});
  EXPECT_EQ(train.size(), 2u);
  EXPECT_THAT(ids_of(train, 0), ElementsAre(2, 5, 6, 3));
  EXPECT_THAT(ids_of(train, 1), ElementsAre(2, 7, 3));
  EXPECT_THAT(train.labels, ElementsAre(1, 0));
  EXPECT_EQ(train.empty, 2);
  EXPECT_EQ(train.tokens(), 7);
  EXPECT_THAT(train.warnings, ElementsAre("train: 2 rows without text, kept out of training"));

  const data::EncodedSplit test = data::encode(dataset, Split::kTest, letters(), {});
  EXPECT_EQ(test.size(), 4u);
  EXPECT_THAT(ids_of(test, 1), ElementsAre(2, 3));
  EXPECT_THAT(test.labels, ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(test.warnings, ElementsAre("test: 2 rows without text"));
  EXPECT_EQ(data::encode(dataset, Split::kValidation, letters(), {}).size(), 0u);
}

TEST(Encode, CountsTheRowsThatTheDataSetLeftOut) {
  const FileDataset dataset(two_labels(), {example("a"), example("")});
  EXPECT_EQ(data::encode(dataset, Split::kTrain, letters(), {}).empty, 4);
}

TEST(Encode, NamesTheFirstTextWithTwoLabels) {
  const std::vector<Example> examples = {example("a", 1), example("b", 0), example("b", 0), example("a", 0),
                                         example("b", 1)};
  EXPECT_THAT(
      data::encode(FileDataset(two_labels(), examples), Split::kTest, letters(), {}).warnings,
      ElementsAre("test: 3 rows with a text that stood earlier",
                  "test: 2 rows with a text that stood earlier with another label, first data/reviews.tsv:2 and "
                  "data/reviews.tsv:5"));
  const data::EncodedSplit split = data::encode(MemoryDataset(two_labels(), examples), Split::kTest, letters(), {});
  EXPECT_EQ(split.duplicates, 3);
  EXPECT_EQ(split.conflicting, 2);
  EXPECT_EQ(split.warnings[1],
            "test: 2 rows with a text that stood earlier with another label, first test example 1 and test example 4");
}

TEST(Encode, NamesWhatDiffersByTheTask) {
  Example first = example("a", 1), second = example("a", 2);
  first.text_b = second.text_b = "b";
  first.value = 0.5;
  const auto conflict = [&](const Task& task) {
    return data::encode(MemoryDataset(task, {first, second}), Split::kTest, letters(), {}).warnings.at(1);
  };
  EXPECT_EQ(conflict({TaskKind::kRegression, {}, /*pairs=*/true}),
            "test: 1 row with a pair of texts that stood earlier with another score, first test example 1 and test "
            "example 2");
  second.text_b = first.text_b = "";
  EXPECT_EQ(conflict({TaskKind::kMultiLabel, {"x", "y"}, /*pairs=*/false}),
            "test: 1 row with a text that stood earlier with other labels, first test example 1 and test example 2");
}

TEST(Encode, ComparesBothTextsOfAPair) {
  Example first = example("a"), other_second = example("a"), same = example("a");
  first.text_b = same.text_b = "b";
  other_second.text_b = "c";
  const MemoryDataset dataset(two_labels(/*pairs=*/true), {first, other_second, same});
  const data::EncodedSplit split = data::encode(dataset, Split::kTrain, letters(), {});
  EXPECT_EQ(split.duplicates, 1);
  EXPECT_THAT(ids_of(split, 0), ElementsAre(2, 5, 3, 6, 3));
  EXPECT_EQ(split.texts.first_lengths[0], 3);
}

TEST(Encode, WarnsOfLongRowsAndUnknownWords) {
  const MemoryDataset dataset(two_labels(), {example(words(30)), example("가 나 다 라"), example("a")});
  const data::EncodedSplit split = data::encode(dataset, Split::kTrain, letters(), {.max_length = 10});
  EXPECT_EQ(split.length(0), 10);
  EXPECT_THAT(split.warnings,
              ElementsAre("train: 1 row (33.3 %) longer than data.max_length = 10 tokens, cut; the longest has 32",
                          "train: 11.4 % of the words are unknown to the vocabulary; is it the right model? Decomposed "
                          "Hangul needs data.normalize = \"nfc\""));
}

TEST(Encode, TakesTheFirstExamplesInTheFilesOrder) {
  const MemoryDataset dataset(two_labels(), {example("a"), example("b"), example("c")});
  const data::EncodedSplit split = data::encode(dataset, Split::kTrain, letters(), {.limit = 2});
  EXPECT_EQ(split.size(), 2u);
  EXPECT_THAT(ids_of(split, 1), ElementsAre(2, 6, 3));
  EXPECT_EQ(data::encode(dataset, Split::kTest, letters(), {.limit = 5}).size(), 3u);
}

TEST(Encode, RefusesALimitBeyondTheExamples) {
  const FileDataset dataset(two_labels(), std::vector<Example>(149995, example("a")));
  EXPECT_EQ(data::limit_problem(dataset, 0), "");
  EXPECT_EQ(data::limit_problem(dataset, 149995), "");
  EXPECT_EQ(data::limit_problem(dataset, 200000),
            "must be between 1 and 149,995 (the examples in reviews.tsv), got 200,000");
  EXPECT_EQ(data::limit_problem(dataset, -1), "must be between 1 and 149,995 (the examples in reviews.tsv), got -1");
  EXPECT_EQ(data::limit_problem(MemoryDataset(two_labels(), {example("a")}), 2),
            "must be between 1 and 1 (all examples), got 2");
  try {
    data::encode(dataset, Split::kTrain, letters(), {.limit = 200000});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "data.train_limit: must be between 1 and 149,995 (the examples in reviews.tsv), got 200,000");
  }
}

TEST(Encode, RefusesAnswersThatAreNoneOfTheTask) {
  const auto refusal = [](const Task& task, int64_t label, double value) -> std::string {
    Example wrong = example("b", label);
    wrong.value = value;
    try {
      data::encode(MemoryDataset(task, {example("a"), wrong}), Split::kTest, letters(), {.source = "mine (x.csv)"});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const Task several{TaskKind::kMultiLabel, {"a", "b"}}, number{TaskKind::kRegression, {}};
  EXPECT_EQ(refusal(two_labels(), 1, NAN), "");
  EXPECT_EQ(refusal(two_labels(), 2, 0), "mine (x.csv): test example 2 has label 2, must be 0 to 1");
  EXPECT_EQ(refusal(two_labels(), -100, 0), "mine (x.csv): test example 2 has label -100, must be 0 to 1");
  EXPECT_EQ(refusal(two_labels(), -1, 0), "mine (x.csv): test example 2 has no label");
  EXPECT_EQ(refusal(several, 3, NAN), "");
  EXPECT_EQ(refusal(several, 4, 0), "mine (x.csv): test example 2 has label bits 0x4, more than the 2 labels");
  EXPECT_EQ(refusal(several, -1, 0), "mine (x.csv): test example 2 has no labels");
  EXPECT_EQ(refusal(number, -1, 0.5), "");
  EXPECT_EQ(refusal(number, 0, NAN), "mine (x.csv): test example 2 has no score");
  EXPECT_EQ(refusal(number, 0, 1e39),
            "mine (x.csv): test example 2 has the score 1e+39, which is no number that a float can hold");
}

TEST(Encode, RefusesATrainingSplitWithoutText) {
  const auto refusal = [](const data::EncodeOptions& options) -> std::string {
    try {
      data::encode(MemoryDataset(two_labels(), {example(" ")}), Split::kTrain, letters(), options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal({}), "data: the training split has no example with a text");
  EXPECT_EQ(refusal({.source = "mine (reviews.csv)"}),
            "data: the training split of mine (reviews.csv) has no example with a text");
}

TEST(Encode, GivesTheSameForAnyNumberOfThreads) {
  std::vector<Example> examples;
  for (int i = 0; i < 20000; ++i)
    examples.push_back(example(words(1 + i * 7919 % 40), i % 2));
  const MemoryDataset dataset(two_labels(), examples);
  const data::EncodedSplit one = data::encode(dataset, Split::kTrain, letters(), {.threads = 1});
  const data::EncodedSplit four = data::encode(dataset, Split::kTrain, letters(), {.threads = 4});
  EXPECT_EQ(one.texts.ids, four.texts.ids);
  EXPECT_EQ(one.texts.offsets, four.texts.offsets);
  EXPECT_EQ(one.labels, four.labels);
  EXPECT_EQ(one.warnings, four.warnings);
}

class FailingDataset final : public MemoryDataset {
 public:
  using MemoryDataset::MemoryDataset;
  Example at(Split split, size_t index) const override {
    if (index >= 9000) throw Error("row " + std::to_string(index) + " is broken");
    return MemoryDataset::at(split, index);
  }
};

TEST(Encode, HandsOnWhatADataSetThrowsInAnotherThread) {
  const FailingDataset dataset(two_labels(), std::vector<Example>(20000, example("a")));
  try {
    data::encode(dataset, Split::kTrain, letters(), {.threads = 4});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "row 9000 is broken");
  }
}

TEST(SharedTexts, CountsTestTextsThatTrainingHas) {
  const auto encode = [](Split split, std::vector<Example> examples) {
    return data::encode(MemoryDataset(two_labels(), std::move(examples)), split, letters(), {});
  };
  const data::EncodedSplit train = encode(Split::kTrain, {example("a"), example("b"), example("c")});
  EXPECT_EQ(data::shared_texts_warning(train, encode(Split::kTest, {example("b"), example("d"), example("a")})),
            "test: 2 of 3 texts are in train too; its metrics look better by them than they are");
  EXPECT_EQ(data::shared_texts_warning(train, encode(Split::kTest, {example("d")})), "");
}

}  // namespace
}  // namespace plugtune::testing
