// compare_test.cc - several runs side by side.
#include "report/compare.h"

#include <filesystem>
#include <fstream>

#include "support/temp_folder.h"
#include "unit/report/support.h"

namespace plugtune::report {
namespace {

std::vector<ComparedRun> two_runs() {
  RunReport second = sample_report();
  second.strategies = {{"one", "1.0.0", 1, {}},
                       {"two", "1.0.0", 2, {{"<weights>", {"r"}, {"c"}, torch::ones({1, 1}, torch::kFloat64)}}}};
  second.trainable_parameters = 1'234'567;
  second.trainable_fraction = 1;
  second.test.reset();
  second.result.epochs[0].eval.values.emplace_back("f1", 0.5);
  return {{"runs/first", sample_report()}, {"runs/둘째", second}};
}

TEST(Compare, ATableHasOneRowPerRun) {
  EXPECT_EQ(compare_table(two_runs()),
            "run         strategy   seed  trainable     share  examples  split       accuracy      f1    loss  "
            "training  tokens/s    memory\n"
            "runs/first  method        7      5,000    0.50 %     1,600  test          0.7250       -  0.5500    24.0 "
            "s     2,500  123.0 MB\n"
            "runs/둘째   one + two     7  1,234,567  100.00 %     1,600  validation    0.7500  0.5000  0.5000    24.0 "
            "s     2,500  123.0 MB\n");
}

TEST(Compare, MarkdownHasTheSameRows) {
  EXPECT_EQ(
      compare_markdown({two_runs()[0]}),
      "| run | strategy | seed | trainable | share | examples | split | accuracy | loss | training | tokens/s | memory "
      "|\n"
      "| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |\n"
      "| runs/first | method | 7 | 5,000 | 0.50 % | 1,600 | test | 0.7250 | 0.5500 | 24.0 s | 2,500 | 123.0 MB |\n");
}

TEST(Compare, CsvAndJsonAreExact) {
  EXPECT_EQ(compare_csv(two_runs()),
            "run,strategy,seed,trainable_parameters,trainable_fraction,train_examples,steps,split,accuracy,f1,loss,"
            "train_seconds,total_seconds,"
            "tokens_per_second,peak_memory_bytes\n"
            "runs/first,method,7,5000,0.005,1600,100,test,0.725,,0.55,24.0,30.5,2500.0,123000000\n"
            "runs/둘째,one + two,7,1234567,1.0,1600,100,validation,0.75,0.5,0.5,24.0,30.5,2500.0,123000000\n");
  const auto json = nlohmann::json::parse(compare_json(two_runs()));
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["accuracy"], 0.725);
  EXPECT_TRUE(json[0]["f1"].is_null());
  EXPECT_EQ(json[1]["run"], "runs/둘째");
}

TEST(Compare, ThePageHoldsTableCoursesAndHeatMapsAndEscapesNames) {
  const std::string page = compare_html(two_runs());
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  EXPECT_NE(page.find("<td>runs/둘째</td>"), std::string::npos);
  EXPECT_NE(page.find("<h3>accuracy by epoch</h3>"), std::string::npos);
  EXPECT_NE(page.find("<h3>loss by epoch</h3>"), std::string::npos);
  EXPECT_NE(page.find("<h4>&lt;weights&gt;</h4>"), std::string::npos);
  for (const char* part : {"://", " src=", " href=", "url(", "<script"})
    EXPECT_EQ(page.find(part), std::string::npos) << "the page must not need other files";
}

TEST(Compare, ThePageSetsQualityAgainstCost) {
  std::vector<ComparedRun> runs = two_runs();
  runs[1].report.result.train_seconds = 100;
  const std::string page = compare_html(runs);
  EXPECT_NE(page.find("<h3>accuracy by trainable parameters</h3>"), std::string::npos);
  EXPECT_NE(page.find("<h3>accuracy by training time</h3>"), std::string::npos);
  EXPECT_NE(
      page.find("runs/둘째 (one + two): accuracy 0.75 on validation; 1,234,567 parameters train, 1:40 of training"),
      std::string::npos);
  EXPECT_EQ(page.find("by training examples"), std::string::npos) << "both have as many";
  runs[1].report.data.train_examples = 800;
  runs.push_back(runs[0]);
  runs[2].report.test->metrics.values[1].second = 0.775;
  EXPECT_NE(compare_html(runs).find("method, 1,600 examples: accuracy 0.75, mean of 2 runs"), std::string::npos);
  EXPECT_EQ(compare_html({runs[0]}).find("by training time"), std::string::npos) << "one run beats nothing";
}

/// A run of one strategy with these settings. @param value  its accuracy
ComparedRun run_with(const std::string& settings, int64_t examples, double value) {
  RunReport report = sample_report();
  report.experiment.set("strategy", experiment::parse_toml(settings, "x"));
  report.data.train_examples = examples;
  report.test->metrics.values[1].second = value;
  return {"runs/any", report};
}

TEST(Compare, RunsOfOtherSettingsAreNotOneCurve) {
  const std::string page = compare_html({run_with("plugin = \"method\"\nrank = 4", 100, 0.5),
                                         run_with("plugin = \"method\"\nrank = 64", 100, 0.75),
                                         run_with("plugin = \"method\"\nrank = 4", 200, 0.625)});
  for (const char* point :
       {"method (rank 4), 100 examples: accuracy 0.5<", "method (rank 64), 100 examples: accuracy 0.75<",
        "method (rank 4), 200 examples: accuracy 0.625<"})
    EXPECT_NE(page.find(point), std::string::npos) << point;
}

TEST(Compare, WhatTheyStartFromMayBeOfAnotherSeedAndSize) {
  const std::string page = compare_html({run_with("sources = [\"s/a-n100-seed1\", \"b\"]", 100, 0.5),
                                         run_with("sources = [\"s/a-n100-seed2\", \"b\"]", 100, 0.75),
                                         run_with("sources = [\"s/a-nall-seed1\", \"b\"]", 200, 0.875),
                                         run_with("sources = [\"s/c-nall-seed1\", \"b\"]", 200, 0.25)});
  EXPECT_NE(page.find("100 examples: accuracy 0.625, mean of 2 runs"), std::string::npos);
  EXPECT_NE(page.find("200 examples: accuracy 0.875<"), std::string::npos);
  EXPECT_NE(page.find("200 examples: accuracy 0.25<"), std::string::npos);
}

TEST(Compare, RunsThatCannotBeReadAreNamedAndTheOthersCompared) {
  const testing::TempFolder folder;
  const auto make_run = [&](const std::string& name, const std::string& report) {
    std::filesystem::create_directories(folder.path(name));
    folder.write(name + "/experiment.toml", "");
    if (!report.empty()) folder.write(name + "/report.json", report);
    return folder.path(name);
  };
  const std::string good = make_run("good", to_json(sample_report()).dump());
  const std::string started = make_run("started", ""), cut_off = make_run("cut_off", "{\"schema\": 1,"),
                    empty = make_run("empty", "{}");
  const Comparison comparison = read_runs({good, started, cut_off, empty, folder.path("absent")});
  ASSERT_EQ(comparison.runs.size(), 1u);
  EXPECT_EQ(comparison.runs[0].path, good);
  EXPECT_EQ(
      comparison.problems,
      (std::vector<std::string>{
          started + ": is not finished (no report.json); go on with it: plugtune train " + started +
              "/experiment.toml --output " + started + " --resume",
          cut_off + "/report.json: is not JSON: object key - unexpected end of input; expected string literal (line 1, "
                    "column 14)",
          empty +
              "/report.json: 'schema' must be a whole number, got nothing; the file is damaged or from another version",
          folder.path("absent") + ": not found"}));
}

}  // namespace
}  // namespace plugtune::report
