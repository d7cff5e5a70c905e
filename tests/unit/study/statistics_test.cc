// statistics_test.cc - intervals and tests against scipy (tests/golden/generate_statistics.py).
#include "study/statistics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "study/comparison.h"
#include "unit/study/support.h"

namespace plugtune::study {
namespace {

nlohmann::json golden(const std::string& part) {
  std::ifstream file(std::string(PLUGTUNE_SOURCE_DIR) + "/tests/golden/statistics.json");
  return nlohmann::json::parse(file).at(part);
}

TEST(Statistics, StudentsIntervalsAndTestsAreScipys) {
  for (const auto& entry : golden("student")) {
    const auto values = entry.at("values").get<std::vector<double>>();
    const Mean mean = mean_of(values);
    EXPECT_NEAR(mean.value, entry.at("mean").get<double>(), 1e-12);
    EXPECT_NEAR(mean.interval.low, entry.at("low").get<double>(), 1e-10);
    EXPECT_NEAR(mean.interval.high, entry.at("high").get<double>(), 1e-10);
    EXPECT_NEAR(student_p(values), entry.at("p").get<double>(), 1e-10);
  }
  EXPECT_FALSE(mean_of({0.5}).interval.is_known());
  EXPECT_TRUE(std::isnan(student_p({0.5})));
  EXPECT_EQ(student_p({0, 0, 0}), 1);
  EXPECT_FALSE(mean_of({0.3, 0.1 + 0.2}).interval.is_known());  // equal up to rounding: nothing is known of the scatter
  EXPECT_TRUE(std::isnan(student_p({0.3, 0.1 + 0.2})));
}

TEST(Statistics, McNemarsExactTestIsScipysBinomial) {
  for (const auto& entry : golden("mcnemar"))
    EXPECT_NEAR(mcnemar_p(entry.at("first"), entry.at("second")), entry.at("p").get<double>(), 1e-10) << entry;
}

TEST(Statistics, BootstrapIntervalsAreScipysUpToTheDraw) {
  for (const auto& entry : golden("bootstrap")) {
    const auto truth = entry.at("truth").get<std::vector<int32_t>>();
    const report::Answers first{2, truth, entry.at("first"), {}, {}}, second{2, truth, entry.at("second"), {}, {}};
    const Interval interval = bootstrap_interval({{&first, &second}}, "accuracy", /*seed=*/1);
    EXPECT_NEAR(interval.low, entry.at("low").get<double>(), 0.006);
    EXPECT_NEAR(interval.high, entry.at("high").get<double>(), 0.006);
    EXPECT_EQ(bootstrap_interval({{&first, &second}}, "accuracy", 1).low, interval.low);  // the same draw again
  }
  const auto values = golden("bootstrap_of_values");
  const report::Answers first{0, {}, {}, values.at("truth"), values.at("first")},
      second{0, {}, {}, values.at("truth"), values.at("second")};
  const Interval interval = bootstrap_interval({{&first, &second}}, "pearson", 1);
  EXPECT_NEAR(interval.low, values.at("low").get<double>(), 0.02);
  EXPECT_NEAR(interval.high, values.at("high").get<double>(), 0.02);
}

TEST(Statistics, BootstrapOfSeveralLabelsAtATimeDrawsWholeRows) {
  const auto rows = golden("bootstrap_of_rows");
  const report::Answers first{rows.at("labels"), rows.at("truth"), rows.at("first"), {}, {}, /*multi_label=*/true},
      second{rows.at("labels"), rows.at("truth"), rows.at("second"), {}, {}, /*multi_label=*/true};
  const Interval interval = bootstrap_interval({{&first, &second}}, "f1", 1);
  EXPECT_NEAR(interval.low, rows.at("low").get<double>(), 0.006);
  EXPECT_NEAR(interval.high, rows.at("high").get<double>(), 0.006);
  for (const char* metric : {"accuracy", "precision", "recall", "macro_f1"})
    EXPECT_TRUE(bootstrap_interval({{&first, &second}}, metric, 1).is_known()) << metric;
}

/// Of accuracy there is a shorter way, which groups examples further.
TEST(Statistics, BothWaysOfTheBootstrapAgree) {
  const auto entry = golden("bootstrap")[0];
  const auto truth = entry.at("truth").get<std::vector<int32_t>>();
  const report::Answers first{2, truth, entry.at("first"), {}, {}}, second{2, truth, entry.at("second"), {}, {}};
  // Micro-averaged over all labels of a class-balanced task macro F1 is close to accuracy, and its interval too.
  const Interval accuracy = bootstrap_interval({{&first, &second}}, "accuracy", 1),
                 f1 = bootstrap_interval({{&first, &second}}, "macro_f1", 1);
  EXPECT_NEAR(accuracy.low, f1.low, 0.01);
  EXPECT_NEAR(accuracy.high, f1.high, 0.01);
}

TEST(Statistics, ALossHasNoBootstrap) {
  const report::Answers answers{2, {0, 1}, {0, 1}, {}, {}};
  EXPECT_FALSE(bootstrap_interval({{&answers, &answers}}, "loss", 1).is_known());
}

/// Reports of a study's runs with these accuracies and answers to 400 examples: the first `right` of each are right.
std::vector<report::RunReport> reports(const std::vector<double>& accuracies, const std::string& metric = "accuracy") {
  std::vector<report::RunReport> all;
  for (const double accuracy : accuracies) {
    report::RunReport report = report::sample_report();
    const std::vector<int32_t> truth(400, 1);
    std::vector<int32_t> predicted(400, 0);
    std::fill_n(predicted.begin(), static_cast<int64_t>(std::lround(400 * accuracy)), 1);
    report.test->metrics.values = {{metric, accuracy}};
    report.test->answers = report::Answers{2, truth, predicted, {}, {}};
    all.push_back(std::move(report));
  }
  return all;
}

Comparison compare(const std::vector<report::RunReport>& first, const std::vector<report::RunReport>& second,
                   const std::string& metric = "accuracy") {
  const auto seeded = [](const std::vector<report::RunReport>& all) {
    std::vector<SeededRun> runs;
    for (const report::RunReport& report : all)
      runs.push_back({static_cast<int64_t>(runs.size()) + 1, &report});
    return runs;
  };
  return compare_methods("a", seeded(first), "b", seeded(second), metric, 1);
}

TEST(Comparison, MethodsDifferWhenNeitherExamplesNorSeedsExplainIt) {
  const auto a = reports({0.9, 0.91, 0.905}), b = reports({0.8, 0.805, 0.81});
  const Comparison pair = compare(a, b);
  EXPECT_TRUE(pair.is_distinguishable);
  EXPECT_EQ(
      pair.sentence.find(
          "a is better than b: accuracy 0.9050 against 0.8050, a difference of +0.1000 (95 %: over test examples +0."),
      0u)
      << pair.sentence;
  EXPECT_EQ(pair.mcnemar[0].first_alone, 40);
  EXPECT_EQ(pair.mcnemar[0].second_alone, 0);
  EXPECT_EQ(compare(b, a).sentence.find("a is worse than b: "), 0u);  // the first is called a
}

TEST(Comparison, SeedsThatScatterMoreThanTheDifferenceLeaveItOpen) {
  const Comparison pair = compare(reports({0.9, 0.7, 0.95}), reports({0.8, 0.85, 0.8}));
  EXPECT_FALSE(pair.is_distinguishable);
  EXPECT_EQ(pair.sentence.find("a and b cannot be told apart: "), 0u) << pair.sentence;
}

TEST(Comparison, OfOneSeedTheSentenceSaysSo) {
  const Comparison pair = compare(reports({0.9}), reports({0.8}));
  EXPECT_TRUE(pair.is_distinguishable);
  EXPECT_TRUE(pair.sentence.ends_with("McNemar p = 1.8e-12). One seed says nothing of others.")) << pair.sentence;
}

/// McNemar counts right answers: of another metric it neither decides nor is told.
TEST(Comparison, AProbabilityThatNoDoubleHoldsIsNotCalledNone) {
  EXPECT_EQ(p_text(0.0123), "0.012");
  EXPECT_EQ(p_text(0), "< 1e-300");
  EXPECT_EQ(p_text(NAN), "-");
}

TEST(Comparison, OfAnotherMetricMcNemarSaysNothing) {
  const Comparison pair = compare(reports({0.9}, "recall"), reports({0.8}, "recall"), "recall");
  EXPECT_TRUE(pair.is_distinguishable);
  EXPECT_EQ(pair.sentence.find("McNemar"), std::string::npos) << pair.sentence;
}

TEST(Comparison, WithoutAnswersAndSecondSeedNothingIsSaid) {
  auto a = reports({0.9}), b = reports({0.8});
  a[0].test->answers.reset();
  EXPECT_EQ(compare(a, b).sentence,
            "Of a and b nothing can be said: accuracy 0.9000 against 0.8000, a difference of +0.1000, and there are "
            "neither answers to "
            "pair nor a second seed.");
}

}  // namespace
}  // namespace plugtune::study
