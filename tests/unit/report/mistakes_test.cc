// mistakes_test.cc - the examples that a run is most sure of and wrong about.
#include "report/mistakes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "plugtune/error.h"

namespace plugtune::report {
namespace {

constexpr size_t kMost = 20;

/// Texts "text 0", "text 1", ...
class Numbered final : public Dataset {
 public:
  explicit Numbered(bool pairs = false) : pairs_(pairs) {}
  Task task() const override { return {}; }
  size_t size(Split) const override { return 100; }
  Example at(Split split, size_t index) const override {
    Example example;
    example.text_a = "text " + std::to_string(index) + (split == Split::kTest ? "" : " of another split");
    if (pairs_) example.text_b = "other";
    return example;
  }

 private:
  bool pairs_;
};

train::Predictions predictions(const Tensor& logits, const Tensor& targets) {
  train::Predictions result;
  result.logits = logits;
  result.targets = targets;
  return result;
}

TEST(Mistakes, OfAClassificationTheSurestComeFirst) {
  const Tensor logits = torch::tensor({{2.F, 0.F}, {3.F, 0.F}, {0.F, 1.F}, {3.F, 0.F}, {0.F, 4.F}});
  const auto found = worst_mistakes({TaskKind::kClassification, {"no", "yes"}},
                                    predictions(logits, torch::tensor({1, 1, 0, 1, 1})), Numbered(), Split::kTest, kMost);
  ASSERT_EQ(found.size(), 4u);
  const double surest = 1 / (1 + std::exp(-3.0));
  EXPECT_EQ(found[0].text_a, "text 1");
  EXPECT_EQ(found[1].text_a, "text 3") << "equal ones in the order of the split";
  EXPECT_NEAR(found[0].confidence, surest, 1e-12);
  EXPECT_EQ(found[0].label, "yes");
  EXPECT_EQ(found[0].predicted, "no");
  EXPECT_EQ(found[3].example, 2);
  EXPECT_EQ(worst_mistakes({TaskKind::kClassification, {"no", "yes"}},
                           predictions(logits, torch::tensor({1, 1, 0, 1, 1})), Numbered(), Split::kTest, /*most=*/2)
                .size(),
            2u);
}

TEST(Mistakes, OfAMultiLabelTaskTheSurestWrongDecisionCounts) {
  const Tensor logits = torch::tensor({{2.F, -1.F, 3.F}, {1.F, 1.F, 1.F}}),
               targets = torch::tensor({{1.F, 1.F, 0.F}, {1.F, 1.F, 1.F}});
  const auto found =
      worst_mistakes({TaskKind::kMultiLabel, {"a", "b", "c"}}, predictions(logits, targets), Numbered(), Split::kTest, kMost);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].label, "a, b");
  EXPECT_EQ(found[0].predicted, "a, c");
  EXPECT_NEAR(found[0].confidence, 1 / (1 + std::exp(-3.0)), 1e-12);
}

TEST(Mistakes, OfARegressionTheLargestErrorsComeFirst) {
  const auto found = worst_mistakes({TaskKind::kRegression, {}},
                                    predictions(torch::tensor({{1.F}, {2.5F}}), torch::tensor({1.25F, 0.5F})),
                                    Numbered(/*pairs=*/true), Split::kTest, kMost);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].label, "0.5");
  EXPECT_EQ(found[0].predicted, "2.5");
  EXPECT_EQ(found[0].confidence, 2.0);
  EXPECT_EQ(found[0].text_b, "other");
}

TEST(Mistakes, TheyAreAbsentWhereThereIsNoTruth) {
  EXPECT_TRUE(worst_mistakes({TaskKind::kText, {}}, {}, Numbered(), Split::kTest, kMost).empty());
  EXPECT_TRUE(worst_mistakes({TaskKind::kClassification, {"a", "b"}}, predictions(torch::zeros({2, 2}), {}), Numbered(),
                             Split::kTest, kMost)
                  .empty());
}

TEST(Mistakes, LongTextsAreCutBetweenCharacters) {
  class Long final : public Dataset {
   public:
    Task task() const override { return {}; }
    size_t size(Split) const override { return 1; }
    Example at(Split, size_t) const override {
      Example example;
      for (size_t i = 0; i < kMistakeTextKept + 1; ++i)
        example.text_a += "글", example.text_b += i < kMistakeTextKept ? "b" : "";
      return example;
    }
  };
  const auto found = worst_mistakes({TaskKind::kClassification, {"a", "b"}},
                                    predictions(torch::tensor({{1.F, 0.F}}), torch::tensor({1})), Long(), Split::kTest, kMost);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].text_a.size(), 3 * kMistakeTextKept + std::string("…").size());
  EXPECT_TRUE(found[0].text_a.ends_with("글…"));
  EXPECT_EQ(found[0].text_b.size(), kMistakeTextKept);
}

TEST(Mistakes, TheyReadBackAndDamageIsToldByField) {
  const std::vector<Mistake> mistakes = {{3, "<one>", "", "no", "yes", 0.75}, {4, "two", "second", "1", "2", 1.5}};
  const auto json = mistakes_json(mistakes);
  EXPECT_EQ(mistakes_from_json(json, "x"), mistakes);
  auto damaged = json;
  damaged[1]["label"] = 5;
  try {
    mistakes_from_json(damaged, "report.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "report.json: 'test.mistakes[1].label' must be a string, got a number; the file is damaged or from "
                 "another version");
  }
}

}  // namespace
}  // namespace plugtune::report
