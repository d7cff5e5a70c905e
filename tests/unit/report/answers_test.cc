// answers_test.cc - answers to a split's examples, packed and back.
#include "report/answers.h"

#include <gtest/gtest.h>

#include "plugtune/error.h"

namespace plugtune::report {
namespace {

Answers through_json(const Answers& answers) {
  const auto json = answers_json(answers);
  return answers_from_json(experiment::JsonObject(json, "report.json", "test.answers"));
}

TEST(Answers, OfLabelsComeBackForEveryNumberOfLabels) {
  for (const int64_t labels : {2, 3, 4, 5, 17, 256}) {
    Answers answers;
    answers.labels = labels;
    for (int32_t i = 0; i < 101; ++i) {
      answers.truth.push_back(static_cast<int32_t>(i * 7 % labels));
      answers.predicted.push_back(static_cast<int32_t>(i * 3 % labels));
    }
    EXPECT_EQ(through_json(answers), answers) << labels;
  }
}

TEST(Answers, OfValuesComeBackToTheBit) {
  const Answers answers{0, {}, {}, {0.5F, -1e-30F, 3}, {1.0F / 3, 2, -7}};
  EXPECT_EQ(through_json(answers), answers);
}

TEST(Answers, OfFiftyThousandExamplesAreSmall) {
  Answers answers{2, std::vector<int32_t>(50'000, 1), std::vector<int32_t>(50'000, 0), {}, {}};
  EXPECT_LT(answers_json(answers).dump().size(), 17'000u);
}

TEST(Answers, AreTakenFromPredictionsAsTheTaskSays) {
  train::Predictions predictions;
  predictions.logits = torch::tensor({{1.0F, -1.0F}, {0.5F, 2.0F}});
  predictions.targets = torch::tensor({int64_t{0}, int64_t{0}});
  EXPECT_EQ(*answers_of(TaskKind::kClassification, predictions), (Answers{2, {0, 0}, {0, 1}, {}, {}}));
  predictions.targets = torch::tensor({{1.0F, 0.0F}, {0.0F, 1.0F}});
  EXPECT_EQ(*answers_of(TaskKind::kMultiLabel, predictions),
            (Answers{2, {1, 0, 0, 1}, {1, 0, 1, 1}, {}, {}, /*multi_label=*/true}));
  predictions.logits = torch::tensor({{0.25F}, {0.75F}});
  predictions.targets = torch::tensor({1.0F, 2.0F});
  EXPECT_EQ(*answers_of(TaskKind::kRegression, predictions), (Answers{0, {}, {}, {1, 2}, {0.25F, 0.75F}}));
  predictions.targets = Tensor();
  EXPECT_FALSE(answers_of(TaskKind::kRegression, predictions));
}

TEST(Answers, OfADamagedReportAreRefusedByTheirField) {
  const auto error_of = [](const char* key, const nlohmann::ordered_json& value) {
    auto json = answers_json(Answers{2, {1, 1, 1}, {0, 0, 1}, {}, {}});
    json[key] = value;
    try {
      answers_from_json(experiment::JsonObject(json, "r.json", "test.answers"));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string end = "; the file is damaged or from another version";
  EXPECT_EQ(error_of("truth", "?"), "r.json: 'test.answers.truth' must be Base64 of 1 bytes, got a string" + end);
  EXPECT_EQ(error_of("predicted", "AAAA"),
            "r.json: 'test.answers.predicted' must be Base64 of 1 bytes, got a string" + end);
  EXPECT_EQ(error_of("labels", 1), "r.json: 'test.answers.labels' must be 0 or a number of labels, got a number" + end);
  EXPECT_EQ(error_of("examples", 1'000'000'000),
            "r.json: 'test.answers.examples' must be a number of examples that 'truth' has, got a number" + end);
  EXPECT_EQ(error_of("labels", 3), "r.json: 'test.answers.truth' must be labels below 3, got a string" + end);
}

}  // namespace
}  // namespace plugtune::report
