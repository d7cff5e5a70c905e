// results_test.cc - the table of a study from reports.
#include "study/results.h"

#include "study/sweep.h"
#include "unit/experiment/support.h"
#include "unit/study/support.h"

namespace plugtune::study {
namespace {

class ResultsTest : public experiment::InFolder {};

TEST_F(ResultsTest, AreMeansOverSeedsWithPairedComparisons) {
  const Study study =
      study_from(std::string("[study]\nname = \"s\"\nseeds = [1, 2]\nsizes = [10]\n") + kCommonTables +
                 "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\n"
                 "[[method]]\nname = \"b\"\nstrategy = { plugin = \"x\" }\ntrain = { batch_size = 16 }\n");
  const Plan planned = plan_with(study, {});
  for (const PlannedRun& run : planned.runs) {
    const bool is_b = run.key.method == 1;
    const auto path = study.directory / run.id / "report.json";
    std::filesystem::create_directories(path.parent_path());
    report::write_report(path, is_b ? report_of(run.tables, run.key.seed == 1 ? 0.9 : 0.8, {0, 0, 0, 1, 1, 0})
                                    : report_of(run.tables, run.key.seed == 1 ? 0.7 : 0.6, {1, 1, 0, 0, 1, 1}));
  }
  Board board(study, {});
  const Plan plan = current_plan(study, board);
  const Results results = results_of(study, plan, board);
  EXPECT_EQ(results.metric, "accuracy");
  EXPECT_EQ(results.sizes[0].best, "b");
  const ResultRow& row = results.sizes[0].rows[0];
  EXPECT_NEAR(row.find("accuracy")->value, 0.65, 1e-12);
  EXPECT_NEAR(row.find("accuracy")->half_width(), 0.05 * 12.7062047361747, 1e-9);
  // 24 s of 100 steps of 32 examples, of which 1,600 are an epoch; b has 16 in a step.
  EXPECT_NEAR(row.epoch_seconds.median, 24.0 * 1600 / 3200, 1e-9);
  EXPECT_NEAR(results.sizes[0].rows[1].relative_time, 2, 1e-9);
  ASSERT_EQ(results.sizes[0].comparisons.size(), 1u);
  EXPECT_NEAR(results.sizes[0].comparisons[0].difference, 0.2, 1e-12);
  EXPECT_TRUE(results.sizes[0].comparisons[0].sentence.starts_with("b and a cannot be told apart: "))
      << "both seeds differ by 0.2";

  EXPECT_EQ(results_text(study, results)
                .find("10 training examples, test split\n"
                      "method  runs  rate         accuracy             loss  trainable   share   epoch  relative\n"
                      "a        2/2  5e-4  0.6500 ± 0.6353  0.3500 ± 0.6353      5,000  0.50 %  12.0 s      1.00\n"
                      "b        2/2  5e-4  0.8500 ± 0.6353  0.1500 ± 0.6353      5,000  0.50 %  24.0 s      2.00\n"),
            0u)
      << results_text(study, results);
  EXPECT_NE(results_markdown(study, results)
                .find("### 10 training examples, test split\n\n| method | runs | rate | accuracy |"),
            std::string::npos);
  EXPECT_NE(results_csv(study, results).find("\na,10,0.0005,accuracy,0.6"), std::string::npos)
      << results_csv(study, results);
  const auto json = results_json(study, results);
  EXPECT_EQ(json["sizes"][0]["best"], "b");
  EXPECT_EQ(json["sizes"][0]["comparisons"][0]["mcnemar"].size(), 2u);
  EXPECT_TRUE(json["sizes"][0]["comparisons"][0]["holm_p"].is_null());
  EXPECT_EQ(json["sizes"][0]["methods"][0]["epoch_seconds"]["median"], 12.0);
  EXPECT_TRUE(json["sizes"][0]["methods"][0]["epoch_seconds"]["interval"].is_null());
}

/// Finished runs of a study of one size. @param report_of_run  what each came to
template <class Report>
Results results_with(const Study& study, Board& board, const Report& report_of_run) {
  for (const PlannedRun& run : plan_with(study, {}).runs) {
    const auto path = study.directory / run.id / "report.json";
    std::filesystem::create_directories(path.parent_path());
    report::write_report(path, report_of_run(run));
  }
  return results_of(study, current_plan(study, board), board);
}

std::vector<std::string> names_of(const std::vector<Comparison>& pairs) {
  std::vector<std::string> names;
  for (const Comparison& pair : pairs)
    names.push_back(pair.first + " " + pair.second);
  return names;
}

std::string study_of_four(const std::string& reference) {
  std::string text = "[study]\nname = \"s\"\nsizes = [10]\nreference = \"" + reference + "\"\n" + kCommonTables;
  for (const char* name : {"a", "b", "c", "d"})
    text += std::string("[[method]]\nname = \"") + name + "\"\nstrategy = { plugin = \"x\" }\n";
  return text;
}

/// b is the best, d the second best.
report::RunReport report_of_four(const PlannedRun& run) {
  const double accuracies[] = {0.6, 0.9, 0.7, 0.8};
  return report_of(run.tables, accuracies[run.key.method], {0, 0, 0, 1, 1, 1});
}

TEST_F(ResultsTest, TellTheBestAndTheReferenceAndCompareAllPairs) {
  const Study study = study_from(study_of_four("c"));
  Board board(study, {});
  const SizeResults size = results_with(study, board, report_of_four).sizes[0];
  EXPECT_EQ(names_of(size.comparisons), (std::vector<std::string>{"b a", "b c", "b d", "a c", "d c"}));
  EXPECT_EQ(names_of(size.pairs), (std::vector<std::string>{"b a", "b c", "b d", "a c", "a d", "d c"}));
}

TEST_F(ResultsTest, OfAReferenceThatIsTheBestTheSecondBestIsSetBesideTheOthersToo) {
  const Study study = study_from(study_of_four("b"));
  Board board(study, {});
  const Results results = results_with(study, board, report_of_four);
  EXPECT_EQ(names_of(results.sizes[0].comparisons), (std::vector<std::string>{"b d", "b a", "b c", "d a", "d c"}));
  const auto json = results_json(study, results)["sizes"][0];
  EXPECT_EQ(json["comparisons"].size(), 5u);
  ASSERT_EQ(json["pairs"].size(), 6u);
  EXPECT_EQ(json["pairs"][5]["first"], "a");
  EXPECT_EQ(json["pairs"][5]["second"], "c");
}

/// As of runs on a busy machine, or on another one.
TEST_F(ResultsTest, TimesThatSpreadTooFarAreNotSetInRelation) {
  const Study study =
      study_from(std::string("[study]\nname = \"s\"\nseeds = [1, 2, 3]\nsizes = [10]\n") + kCommonTables +
                 "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\n"
                 "[[method]]\nname = \"b\"\nstrategy = { plugin = \"x\" }\n");
  Board board(study, {});
  const Results results = results_with(study, board, [](const PlannedRun& run) {
    report::RunReport report = report_of(run.tables, 0.7, {0, 0, 0, 1, 1, 1});
    if (run.key.method == 1 && run.key.seed == 3) report.result.train_seconds *= 4;
    return report;
  });
  EXPECT_EQ(results.sizes[0].rows[0].relative_time, 1);
  EXPECT_TRUE(std::isnan(results.sizes[0].rows[1].relative_time));
  EXPECT_EQ(results.sizes[0].rows[1].epoch_seconds.median, 12);
  const std::string text = results_text(study, results);
  EXPECT_NE(text.find(" 0.50 %  12.0 s         -\n"), std::string::npos) << text;
  EXPECT_NE(text.find("none is relative where they spread by more than 25 %.\n"), std::string::npos) << text;
}

TEST_F(ResultsTest, ARateAtTheEdgeOfThoseTriedIsTold) {
  const Study study = study_from(std::string("[study]\nname = \"s\"\n") + kCommonTables + R"(
[search]
learning_rates = [1e-3, 2e-3, 3e-3]
[[method]]
name = "a"
strategy = { plugin = "x" }
[[method]]
name = "b"
strategy = { plugin = "x" }
[[method]]
name = "c"
strategy = { plugin = "x" }
[[method]]
name = "d"
strategy = { plugin = "x" }
)");
  Board board(study, {});
  const Results results = results_with(study, board, [](const PlannedRun& run) {
    const double best[] = {3e-3, 2e-3, 3e-3, 1e-3};
    return report_of(run.tables, 1 - std::abs(real(run.key.rate) - best[run.key.method]), {0, 0, 0, 1, 1, 1});
  });
  const std::string text = results_text(study, results);
  EXPECT_NE(text.find("\n\na, c: the largest rate tried was chosen; try larger ones\n"
                      "d: the smallest rate tried was chosen; try smaller ones\n\nall training examples"),
            std::string::npos)
      << text;
  const auto rates = results_json(study, results)["rates"];
  EXPECT_EQ(rates[0]["edge"], "largest");
  EXPECT_TRUE(rates[1]["edge"].is_null());
  EXPECT_EQ(rates[3]["edge"], "smallest");
}

TEST_F(ResultsTest, AMethodStandsInTheTablesOfItsOwnSizes) {
  const Study study =
      study_from(std::string("[study]\nname = \"s\"\nseeds = [1, 2]\nsizes = [10, 20]\n") + kCommonTables +
                 "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\n"
                 "[[method]]\nname = \"b\"\nstrategy = { plugin = \"x\" }\nseeds = [2]\nsizes = [20]\n");
  Board board(study, {});
  const Results results = results_of(study, current_plan(study, board), board);
  const std::string text = results_text(study, results);
  EXPECT_NE(text.find("a        0/2  "), std::string::npos) << text;
  EXPECT_NE(text.find("b        0/1  "), std::string::npos) << text;
  EXPECT_EQ(text.find("b        0/"), text.rfind("b        0/")) << text;
  EXPECT_NE(text.find("0 of 5 runs are finished."), std::string::npos) << text;
  EXPECT_EQ(results_json(study, results)["sizes"][0]["methods"].size(), 1u);
}

TEST_F(ResultsTest, WhileItRunsTheTableCountsRunsAndTheirMeans) {
  const Study study =
      study_from(std::string("[study]\nname = \"s\"\nseeds = [1, 2]\nsizes = [10, 0]\n") + kCommonTables + R"(
[search]
learning_rates = [1e-3, 2e-3]
[[method]]
name = "a"
strategy = { plugin = "x" }
[[method]]
name = "b"
strategy = { plugin = "y", sources = ["{c}"] }
train = { learning_rate = 1e-4 }
[[source]]
name = "c"
strategy = { plugin = "x" }
)");
  Board board(study, {});
  Plan plan = current_plan(study, board);
  for (const char* id : {"search/a-rate0.001-seed1", "runs/b-n10-seed1"}) {
    std::filesystem::create_directories(study.directory / id);
    report::write_report(study.directory / id / "report.json",
                         report_of(plan.find(id)->tables, 0.75, {0, 0, 0, 1, 1, 1}));
    board.refresh(*plan.find(id), plan);
  }
  std::filesystem::create_directories(study.directory / "runs");
  std::ofstream(study.directory / "runs/b-nall-seed2.error") << "no memory\n";
  board.refresh(*plan.find("runs/b-nall-seed2"), plan);
  View view = view_of(study, plan, board);
  write("log.jsonl", "{\"step\": 5, \"epoch\": 0.5, \"loss\": 0.625}\n{\"step\": 7, \"epo");
  view.running.push_back(running_run(*plan.find("runs/b-n10-seed2"), "log.jsonl"));
  view.seconds_left = 75;
  EXPECT_EQ(view_text(view),
            "method  search  rate      n = 10        n = all\n"
            "a          1/2               0/2            0/2\n"
            "b                     1/2 0.7500  0/2, 1 failed\n"
            " 25 %  runs/b-n10-seed2  loss 0.6250\n"
            "2 of 10 runs, about 1:15 left\n");
}

TEST_F(ResultsTest, OfAStudyThatWasNotBegunAreEmpty) {
  const Study study = study_from(std::string("[study]\nname = \"s\"\n") + kCommonTables +
                                 "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\n");
  Board board(study, {});
  const Plan plan = current_plan(study, board);
  const std::string text = results_text(study, results_of(study, plan, board));
  EXPECT_NE(text.find("a        0/1     -          -      -      -         -\n"), std::string::npos) << text;
  EXPECT_NE(text.find("0 of 1 runs are finished."), std::string::npos);
}

}  // namespace
}  // namespace plugtune::study
