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

/// @param metric  drawn with one seed, the same each time
Interval redrawn_interval(const std::vector<PairedAnswers>& pairs, const std::string& metric) {
  return Bootstrap(metric, /*seed=*/1).difference(pairs).interval;
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
    const Interval interval = redrawn_interval({{&first, &second}}, "accuracy");
    EXPECT_NEAR(interval.low, entry.at("low").get<double>(), 0.006);
    EXPECT_NEAR(interval.high, entry.at("high").get<double>(), 0.006);
    EXPECT_EQ(redrawn_interval({{&first, &second}}, "accuracy").low, interval.low);  // the same draw again
  }
  const auto values = golden("bootstrap_of_values");
  const report::Answers first{0, {}, {}, values.at("truth"), values.at("first")},
      second{0, {}, {}, values.at("truth"), values.at("second")};
  const Interval interval = redrawn_interval({{&first, &second}}, "pearson");
  EXPECT_NEAR(interval.low, values.at("low").get<double>(), 0.02);
  EXPECT_NEAR(interval.high, values.at("high").get<double>(), 0.02);
}

TEST(Statistics, BootstrapOfSeveralLabelsAtATimeDrawsWholeRows) {
  const auto rows = golden("bootstrap_of_rows");
  const report::Answers first{rows.at("labels"), rows.at("truth"), rows.at("first"), {}, {}, /*multi_label=*/true},
      second{rows.at("labels"), rows.at("truth"), rows.at("second"), {}, {}, /*multi_label=*/true};
  const Interval interval = redrawn_interval({{&first, &second}}, "f1");
  EXPECT_NEAR(interval.low, rows.at("low").get<double>(), 0.008);  // of 1,000 draws
  EXPECT_NEAR(interval.high, rows.at("high").get<double>(), 0.008);
  for (const char* metric : {"accuracy", "precision", "recall", "macro_f1"})
    EXPECT_TRUE(redrawn_interval({{&first, &second}}, metric).is_known()) << metric;
}

/// Of accuracy there is a shorter way, which groups examples further.
TEST(Statistics, BothWaysOfTheBootstrapAgree) {
  const auto entry = golden("bootstrap")[0];
  const auto truth = entry.at("truth").get<std::vector<int32_t>>();
  const report::Answers first{2, truth, entry.at("first"), {}, {}}, second{2, truth, entry.at("second"), {}, {}};
  // Micro-averaged over all labels of a class-balanced task macro F1 is close to accuracy, and its interval too.
  const Interval accuracy = redrawn_interval({{&first, &second}}, "accuracy"),
                 f1 = redrawn_interval({{&first, &second}}, "macro_f1");
  EXPECT_NEAR(accuracy.low, f1.low, 0.015);  // the one of 10,000 draws, the other of 1,000
  EXPECT_NEAR(accuracy.high, f1.high, 0.015);
}

TEST(Statistics, OfSeveralSeedsTheSameExamplesAreDrawnForAll) {
  const auto entry = golden("bootstrap_of_seeds");
  std::vector<report::Answers> answers;  // first, second, first, ...
  for (size_t seed = 0; seed < 3; ++seed)
    for (const char* run : {"first", "second"})
      answers.push_back(report::Answers{2, entry.at("truth"), entry.at(run).at(seed), {}, {}});
  const std::vector<PairedAnswers> pairs = {
      {&answers[0], &answers[1]}, {&answers[2], &answers[3]}, {&answers[4], &answers[5]}};
  for (const char* metric : {"accuracy", "f1"}) {
    const Interval interval = redrawn_interval(pairs, metric);
    EXPECT_NEAR(interval.low, entry.at(metric).at("low").get<double>(), 0.006) << metric;
    EXPECT_NEAR(interval.high, entry.at(metric).at("high").get<double>(), 0.006) << metric;
  }
}

TEST(Statistics, TheDeviationOfDrawsOfAMeanIsItsStandardError) {
  const auto entry = golden("bootstrap")[0];
  const std::vector<int32_t> truth = entry.at("truth"), right = entry.at("first"), wrong = entry.at("second");
  const report::Answers first{2, truth, right, {}, {}}, second{2, truth, wrong, {}, {}};
  std::vector<double> differences;
  for (size_t i = 0; i < truth.size(); ++i)
    differences.push_back((right[i] == truth[i] ? 1 : 0) - (wrong[i] == truth[i] ? 1 : 0));
  const double expected = standard_deviation(differences) / std::sqrt(static_cast<double>(differences.size()));
  EXPECT_NEAR(Bootstrap("accuracy", 1).difference({{&first, &second}}).deviation, expected, 0.05 * expected);
  EXPECT_NEAR(normal_p(1.959963984540054, 1), 0.05, 1e-12);
  EXPECT_EQ(normal_p(0, 0), 1);
  EXPECT_TRUE(std::isnan(normal_p(0.1, NAN)));
}

/// R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
TEST(Statistics, HolmsCorrectionIsRs) {
  const std::vector<double> corrected = holm({0.01, NAN, 0.04, 0.03, 0.005});
  const std::vector<double> expected = {0.03, NAN, 0.06, 0.06, 0.02};
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!std::isnan(expected[i])) {
      EXPECT_NEAR(corrected[i], expected[i], 1e-12) << i;
    }
  }
  EXPECT_TRUE(std::isnan(corrected[1])) << "what is not known does not count";
  EXPECT_EQ(holm({0.6, 0.7})[0], 1);
}

TEST(Statistics, TimesAreMediansAndSayHowFarTheySpread) {
  const Times times = times_of({12, NAN, 10, 20});
  EXPECT_EQ(times.count, 3u);
  EXPECT_EQ(times.median, 12);
  EXPECT_EQ(times.mean, 14);
  EXPECT_NEAR(times.spread, 10.0 / 12, 1e-12);
  EXPECT_FALSE(times.is_steady());
  EXPECT_EQ(times_of({10, 12}).median, 11);
  EXPECT_TRUE(times_of({10, 12}).is_steady());
  EXPECT_TRUE(times_of({10}).is_steady());
  EXPECT_FALSE(times_of({}).is_steady()) << "nothing is known";
}

TEST(Statistics, ALossHasNoBootstrap) {
  const report::Answers answers{2, {0, 1}, {0, 1}, {}, {}};
  EXPECT_FALSE(redrawn_interval({{&answers, &answers}}, "loss").is_known());
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
  Bootstrap bootstrap(metric, 1);
  return compare_methods("a", seeded(first), "b", seeded(second), bootstrap);
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

TEST(Comparison, OfOneSeedTheSentenceIsOfTheRuns) {
  const Comparison pair = compare(reports({0.9}), reports({0.8}));
  EXPECT_TRUE(pair.is_distinguishable);
  EXPECT_TRUE(pair.sentence.starts_with("This run of a is better than this run of b: accuracy 0.9000 against 0.8000, "))
      << pair.sentence;
  EXPECT_TRUE(pair.sentence.ends_with("McNemar p = 1.8e-12). One seed says nothing of others.")) << pair.sentence;
  EXPECT_TRUE(
      compare(reports({0.9}), reports({0.9})).sentence.starts_with("These runs of a and b cannot be told apart: "));
}

/// Whatever the first seed's McNemar says: Student's interval would have no width, so it leaves out nothing.
TEST(Comparison, SeedsWithEqualDifferencesDecideNothing) {
  const auto a = reports({0.9, 0.91}), b = reports({0.8, 0.81});
  const Comparison pair = compare(a, b);
  EXPECT_FALSE(pair.over_examples.interval.has_zero());
  EXPECT_FALSE(pair.is_distinguishable);
  EXPECT_TRUE(std::isnan(pair.p));
  EXPECT_TRUE(pair.sentence.starts_with("a and b cannot be told apart: ")) << pair.sentence;
  EXPECT_TRUE(pair.sentence.ends_with("). 2 seeds with equal differences say nothing of others.")) << pair.sentence;
}

TEST(Comparison, TheLargerOfTheDecidingPCounts) {
  const Comparison seeds = compare(reports({0.9, 0.7, 0.95}), reports({0.8, 0.85, 0.8}));
  EXPECT_EQ(seeds.p, seeds.student_p);
  const Comparison one = compare(reports({0.9}), reports({0.8}));
  EXPECT_EQ(one.p, normal_p(one.difference, one.over_examples.deviation));
  EXPECT_GT(one.p, one.mcnemar.front().p);
}

TEST(Comparison, ADifferenceThatHolmTakesBackSaysSo) {
  const auto a = reports({0.9, 0.902, 0.904}), b = reports({0.87, 0.874, 0.868});
  std::vector<Comparison> pairs(2, compare(a, b));
  ASSERT_TRUE(pairs[0].is_distinguishable);
  const std::string alone = pairs[0].sentence;
  pairs[0].p = 0.01, pairs[1].p = 0.04;
  correct_for_number(pairs);
  EXPECT_EQ(pairs[0].sentence, alone);
  EXPECT_EQ(pairs[0].holm_p, 0.02);
  pairs[0].p = 0.03;
  correct_for_number(pairs);
  EXPECT_EQ(pairs[0].sentence, alone + " Among 2 pairs such a difference may be chance: Holm's p is 0.06.");
  EXPECT_TRUE(pairs[0].is_distinguishable);
}

TEST(Comparison, AProbabilityThatNoDoubleHoldsIsNotCalledNone) {
  EXPECT_EQ(p_text(0.0123), "0.012");
  EXPECT_EQ(p_text(0), "< 1e-300");
  EXPECT_EQ(p_text(NAN), "-");
}

/// McNemar counts right answers: of another metric it neither decides nor is told.
TEST(Comparison, OfAnotherMetricMcNemarSaysNothing) {
  const Comparison pair = compare(reports({0.9}, "recall"), reports({0.8}, "recall"), "recall");
  EXPECT_TRUE(pair.is_distinguishable);
  EXPECT_EQ(pair.sentence.find("McNemar"), std::string::npos) << pair.sentence;
}

TEST(Comparison, WithoutAnswersAndSecondSeedNothingIsSaid) {
  auto a = reports({0.9}), b = reports({0.8});
  a[0].test->answers.reset();
  EXPECT_EQ(compare(a, b).sentence,
            "Of a and b nothing can be said: accuracy 0.9000 against 0.8000, a difference of +0.1000; there are no "
            "answers to pair, and there is no second seed.");
  EXPECT_EQ(
      compare(reports({0.3}, "loss"), reports({0.4}, "loss"), "loss").sentence,
      "Of a and b nothing can be said: loss 0.3000 against 0.4000, a difference of -0.1000; loss has no test over "
      "examples, and there is no second seed.");
  EXPECT_EQ(
      compare(reports({0.5, 0.5}, "loss"), reports({0.25, 0.25}, "loss"), "loss").sentence,
      "Of a and b nothing can be said: loss 0.5000 against 0.2500, a difference of +0.2500; loss has no test over "
      "examples, and 2 seeds with equal differences say nothing of others.");
}

}  // namespace
}  // namespace plugtune::study
