// board_test.cc - what the disk says of runs: finished, of other settings, failed; and what is left to train.
#include "study/board.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "study/study_directory.h"
#include "study/sweep.h"
#include "unit/experiment/support.h"
#include "unit/study/support.h"

namespace plugtune::study {
namespace {

namespace fs = std::filesystem;

class BoardTest : public experiment::InFolder {
 protected:
  BoardTest() : study(study_of_rank(4)) {}

  static Study study_of_rank(int rank) {
    return study_from(std::string("[study]\nname = \"s\"\nseeds = [1]\nsizes = [10]\n") + kCommonTables +
                      fmt::format(R"(
[[method]]
name = "a"
strategy = {{ plugin = "x", rank = {} }}
[[method]]
name = "b"
strategy = {{ plugin = "y", sources = ["{{a}}"] }}
)",
                                  rank));
  }

  void finish(const Plan& plan, const std::string& id, double accuracy = 0.5, bool with_delta = false) const {
    const fs::path directory = study.directory / id;
    fs::create_directories(directory / "delta");
    report::write_report(directory / "report.json", report_of(plan.find(id)->tables, accuracy, {0, 0, 0, 1, 1, 1}));
    for (const char* name : {"delta.json", "delta.safetensors"})
      if (with_delta) std::ofstream(directory / "delta" / name) << "x";
  }
  std::vector<std::string> left() {
    Board board(study, {});
    const Plan plan = current_plan(study, board);
    std::vector<std::string> ids;
    for (const PlannedRun* run : work_of(study, plan, board).to_train)
      ids.push_back(run->id);
    return ids;
  }

  Study study;
  const std::string a = "runs/a-n10-seed1", b = "runs/b-n10-seed1";
};

TEST_F(BoardTest, AReportAloneIsAFinishedRun) {
  const Plan plan = plan_with(study, {});
  EXPECT_EQ(left(), (std::vector<std::string>{a, b}));
  finish(plan, a), finish(plan, b);
  EXPECT_EQ(left(), std::vector<std::string>{});
}

TEST_F(BoardTest, ASourceIsTrainedAgainWhenItsDeltaIsNeededAndNotThere) {
  const Plan plan = plan_with(study, {});
  finish(plan, a);
  EXPECT_EQ(left(), (std::vector<std::string>{a, b}));
  finish(plan, a, 0.5, /*with_delta=*/true);
  EXPECT_EQ(left(), (std::vector<std::string>{b}));
}

TEST_F(BoardTest, ARunOfOtherSettingsIsRefusedByTheirNames) {
  const Plan plan = plan_with(study, {});
  finish(plan, a);
  study = study_from(std::string("[study]\nname = \"s\"\nseeds = [1]\nsizes = [10]\n") + kCommonTables +
                     "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\", rank = 8 }\ntrain = { epochs = 3 }\n");
  EXPECT_EQ(experiment::error_of([&] { left(); }),
            "studies/s/runs/a-n10-seed1: was run with other settings, strategy.rank: 4 there, 8 here, train.epochs: "
            "2.0 there, 3.0 here; "
            "remove it, or give the study another study.directory");
}

TEST_F(BoardTest, WhatStartedFromARunOfOtherSettingsIsNamedWithIt) {
  const Plan plan = plan_with(study, {});
  finish(plan, a), finish(plan, b);
  study = study_of_rank(8);
  EXPECT_EQ(
      experiment::error_of([&] { left(); }),
      "studies/s/runs/a-n10-seed1: was run with other settings, strategy.rank: 4 there, 8 here; remove it and what "
      "started from it (runs/b-n10-seed1), or give the study another study.directory");
}

TEST_F(BoardTest, ARunThatIsPlannedOtherwiseIsLookedAtAgain) {
  const Plan plan = plan_with(study, {});
  finish(plan, a);
  Board board(study, {});
  board.look(plan);
  Plan other = plan;
  // As when a search chooses another rate.
  other.runs[0].tables.set("train", experiment::parse_toml("learning_rate = 0.1\nepochs = 2", "f"));
  EXPECT_NE(experiment::error_of([&] { board.look(other); }).find("train.learning_rate"), std::string::npos);
}

TEST_F(BoardTest, AKeyThatTheStudyNoLongerSetsIsSeenWhereThePluginsDefaultIsKnown) {
  const Plan plan = plan_with(study, {});
  finish(plan, a);
  ConfigNode tables = plan.find(a)->tables;
  tables.set("strategy", experiment::parse_toml("plugin = \"x\"", "f"));
  const report::RunReport there = report::read_report(study.directory / a / "report.json");
  PluginTables plugins;
  EXPECT_EQ(differences_from_plan(tables, there.experiment, plugins),
            std::vector<std::string>{});  // the default may be 4
  plugins.strategies = {experiment::parse_toml("rank = 8", "f")};
  EXPECT_EQ(differences_from_plan(tables, there.experiment, plugins),
            (std::vector<std::string>{"strategy.rank: 4 there, 8 here"}));
}

TEST_F(BoardTest, AReportFromBeforeAKeyCameIntoBeingStillCounts) {
  const Plan plan = plan_with(study, {});
  finish(plan, a);
  const report::RunReport there = report::read_report(study.directory / a / "report.json");
  ConfigNode tables = plan.find(a)->tables;
  PluginTables plugins;
  plugins.strategies = {experiment::parse_toml("rank = 4\nnew = 1", "f")};
  EXPECT_EQ(differences_from_plan(tables, there.experiment, plugins), std::vector<std::string>{});
  tables.set("strategy", experiment::parse_toml("plugin = \"x\"\nrank = 4\nnew = 1", "f"));
  EXPECT_EQ(differences_from_plan(tables, there.experiment, plugins),
            (std::vector<std::string>{"strategy.new: not given there, 1 here"}));
}

TEST_F(BoardTest, AFailedRunSaysWhyAndWhatStartsFromItWaits) {
  fs::create_directories(study.directory / "runs");
  std::ofstream(study.directory / (a + ".error")) << "the disk is full\n";
  Board board(study, {});
  const Plan plan = current_plan(study, board);
  EXPECT_EQ(board.status(a).phase, Phase::kFailed);
  EXPECT_EQ(board.status(a).error, "the disk is full");
  EXPECT_TRUE(std::isnan(*board.search_value(a, "accuracy")));
}

TEST_F(BoardTest, ADirectoryOfAnotherStudyIsRefused) {
  write("studies/s/study.json", R"({"schema": 1, "name": "other"})");
  EXPECT_EQ(experiment::error_of([&] { check_directory(study); }),
            "study.directory: studies/s holds study 'other', this one is 's'; give it another study.directory");
  fs::remove_all("studies/s");
  write("studies/s/notes.txt", "mine");
  EXPECT_EQ(experiment::error_of([&] { check_directory(study); }),
            "study.directory: studies/s is there already and is no study (no study.json); give the study another "
            "study.directory");
}

TEST_F(BoardTest, AStudyIsRunByOneProcess) {
  const StudyLock lock(study);
  EXPECT_EQ(experiment::error_of([&] { const StudyLock second(study); }),
            "studies/s: another plugtune is running this study right now; wait for it, or give this one another "
            "study.directory");
}

}  // namespace
}  // namespace plugtune::study
