// run_directory_test.cc - who may write to a run directory, and what is in it.
#include "experiment/run_directory.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiment/run_log.h"
#include "experiment/toml.h"
#include "unit/experiment/support.h"

namespace plugtune::experiment {
namespace {

class Runs : public InFolder {
 protected:
  static ConfigNode tables(const std::string& more = "") {
    return parse_toml("[run]\nseed = 1\nthreads = 2\n" + more, "x");
  }
  static std::string opening(bool resume, const ConfigNode& resolved = tables()) {
    return error_of([&] { RunDirectory("runs/a", resolved, resume); });
  }
};

TEST_F(Runs, ANewRunHasItsExperimentFromTheFirstMoment) {
  const RunDirectory run(default_run_path("a"), tables(), /*resume=*/false);
  EXPECT_FALSE(run.resumed());
  EXPECT_EQ(
      read("runs/a/experiment.toml"),
      "# plugtune train runs/a/experiment.toml --output <a new directory>: the same again, every default filled in\n"
      "[run]\nseed = 1\nthreads = 2\n");
  EXPECT_EQ(run_state("runs/a"), RunState::kStarted);
}

/// TOML is UTF-8: a run whose experiment.toml nobody can read is not begun.
TEST_F(Runs, PathsThatAreNotUtf8AreRefusedBeforeTraining) {
  const std::string name = "runs/\xB0\xA1";
  EXPECT_EQ(error_of([&] { RunDirectory(name, tables(), /*resume=*/false); }),
            name + "/experiment.toml: a path or a name in it is not UTF-8, and it could not be read again; rename it");
  EXPECT_FALSE(std::filesystem::exists(name));
  ConfigNode data = tables();
  data.set("data", {std::string("\xB0\xA1")});
  EXPECT_EQ(opening(false, data),
            "runs/a/experiment.toml: a path or a name in it is not UTF-8, and it could not be read again; rename it");
}

TEST_F(Runs, ARunIsNeverOverwritten) {
  std::filesystem::create_directories("runs/a");  // an empty directory is as good as none
  EXPECT_EQ(opening(false), "");
  EXPECT_EQ(opening(false),
            "runs/a: holds a run that was started and not finished; go on with it by --resume, choose another "
            "--output, or remove it");
  EXPECT_EQ(opening(true), "");
  write("runs/a/report.json", "{}");
  EXPECT_EQ(opening(false), "runs/a: holds a finished run; choose another --output, or remove it");
  EXPECT_EQ(opening(true), "runs/a: is finished (it has a report.json), there is nothing to resume");
}

TEST_F(Runs, AForeignDirectoryIsLeftAlone) {
  write("runs/a/holiday.jpg", "x");
  EXPECT_EQ(opening(false),
            "runs/a: is there already and is no run directory (no experiment.toml); choose another --output");
  EXPECT_EQ(opening(true),
            "runs/a: is there already and is no run directory (no experiment.toml); choose another --output");
  EXPECT_EQ(read("runs/a/holiday.jpg"), "x");
}

TEST_F(Runs, ResumingWhatWasNeverMadeBeginsIt) {
  const RunDirectory run("runs/a", tables(), /*resume=*/true);
  EXPECT_FALSE(run.resumed());
  EXPECT_EQ(run_state("runs/a"), RunState::kStarted);
}

TEST_F(Runs, ResumingAsksForTheSameExperimentButNotForTheSameMachine) {
  EXPECT_EQ(opening(false), "");
  EXPECT_EQ(opening(true, parse_toml("[run]\nseed = 1\nthreads = 64\n", "x")), "");
  EXPECT_EQ(opening(true, tables("[train]\nsteps = 5\n")),
            "runs/a/experiment.toml: cannot be resumed with other settings, train.steps: not given there, 5 here; "
            "resume with: plugtune train runs/a/experiment.toml --output runs/a --resume");
}

TEST_F(Runs, TwoProcessesDoNotTrainOneRun) {
  const RunDirectory held("runs/a", tables(), false);
  // Another descriptor is another owner, as in another process.
  EXPECT_EQ(opening(true),
            "runs/a: another plugtune is training this run right now; wait for it, or choose another --output");
}

TEST_F(Runs, DifferencesAreNamedKeyByKey) {
  const ConfigNode there =
      parse_toml("[[strategy]]\nrank = 1\n[[strategy]]\nrank = 2\n[train]\nrate = 0.5\nold = true\n", "x");
  const ConfigNode here =
      parse_toml("[[strategy]]\nrank = 1\n[[strategy]]\nrank = 3\n[train]\nrate = 0.5\nnew = true\n", "x");
  EXPECT_EQ(differences(there, here),
            (std::vector<std::string>{"strategy[1].rank: 2 there, 3 here", "train.old: true there, not given here",
                                      "train.new: not given there, true here"}));
}

TEST_F(Runs, OnlyAFinishedRunIsFinished) {
  const std::string here = std::filesystem::current_path().string();
  const auto finished = [] { return error_of([] { finished_run("runs/a"); }); };
  EXPECT_EQ(finished(), "runs/a: not found (working directory " + here + ")");
  std::filesystem::create_directories("runs/a");
  EXPECT_EQ(finished(), "runs/a: is empty, expected a run directory");
  write("runs/a/experiment.toml", "");
  EXPECT_EQ(finished(),
            "runs/a: is not finished (no report.json); go on with it: plugtune train runs/a/experiment.toml --output "
            "runs/a --resume");
  write("runs/a/report.json", "{}");
  EXPECT_EQ(finished(), "");
  write("runs/b/notes.txt", "");
  EXPECT_EQ(error_of([] { finished_run("runs/b"); }), "runs/b: is no run directory (no experiment.toml)");
  write("runs/b/config.json", "{}");
  EXPECT_EQ(error_of([] { finished_run("runs/b"); }),
            "runs/b: is a model and no run directory (no experiment.toml); make a run of it: plugtune import runs/b "
            "--output RUN");
}

TEST_F(Runs, TheLogOfAResumedRunIsCutBackToItsCheckpoint) {
  { RunLog("log.jsonl").append({{"step", 50}, {"loss", 0.5}}); }
  EXPECT_EQ(read("log.jsonl"), "{\"step\":50,\"loss\":0.5}\n");
  write("log.jsonl",
        "{\"step\":50}\n{\"step\":100,\"eval\":{\"loss\":NaN\n{\"epoch\":1}\n{\"step\":100}\n{\"step\":150}\n{\"step\":"
        "2");
  {
    RunLog("log.jsonl", /*keep_through_step=*/100)
        .append({{"step", 150}, {"loss", std::numeric_limits<double>::quiet_NaN()}});
  }
  EXPECT_EQ(read("log.jsonl"), "{\"step\":50}\n{\"step\":100}\n{\"step\":150,\"loss\":null}\n");
  { RunLog("log.jsonl"); }
  EXPECT_EQ(read("log.jsonl"), "");
}

TEST_F(Runs, ALogThatCannotBeWrittenIsToldAtOnce) {
  EXPECT_EQ(error_of([] { RunLog("none/log.jsonl"); }),
            "none/log.jsonl: cannot be written: no such file or directory; no file was left behind");
}

}  // namespace
}  // namespace plugtune::experiment
