// commands_test.cc - `config`, `plugins` and `compare` with the plugins of the repository.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <tuple>

#include "app/commands.h"
#include "experiment/experiment.h"
#include "experiment/toml.h"
#include "support/temp_folder.h"
#include "unit/report/support.h"

namespace plugtune::app {
namespace {

const std::string kPlugins = PLUGTUNE_BINARY_DIR "/lib/plugtune";
const std::string kSample = PLUGTUNE_SOURCE_DIR "/datasets/nsmc/sample";

class Commands : public ::testing::Test {
 protected:
  Commands() : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(folder_.path());
    std::filesystem::create_directory_symlink(PLUGTUNE_SOURCE_DIR "/models/ko-tiny", "m");
  }
  ~Commands() override { std::filesystem::current_path(before_); }

  std::string write_experiment(const std::string& strategy, const std::string& more = "") const {
    folder_.write("experiment.toml", "[model]\npath = \"m\"\n[data]\nplugin = \"nsmc\"\npath = \"" + kSample +
                                         "\"\n[strategy]\n" + strategy + more);
    return "experiment.toml";
  }
  /// stdout, stderr and exit code.
  static std::tuple<std::string, std::string, int> outcome(Arguments arguments) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run(arguments);
    const std::string errors = ::testing::internal::GetCapturedStderr();
    return {::testing::internal::GetCapturedStdout(), errors, code};
  }
  const testing::TempFolder& folder() const { return folder_; }

 private:
  std::filesystem::path before_;
  testing::TempFolder folder_;
};

TEST_F(Commands, ConfigSaysWhereEachValueIsFrom) {
  const auto [out, errors, code] = outcome({"config", write_experiment("plugin = \"lora\"\nrank = 4\n"), "--set",
                                            "train.epochs=2", "--plugin-path", kPlugins});
  ASSERT_EQ(code, kDone) << errors;
  for (const char* line :
       {"path = \"m\"                               # experiment.toml:2\n",
        "rank = 4                                 # experiment.toml:8\n",
        "epochs = 2.0                             # --set\n", "seed = 42                                # default\n",
        "kind = \"classification\"                  # default\n",
        "metric = \"accuracy\"                      # default\n"}) {
    EXPECT_NE(out.find(line), std::string::npos) << line << "is not in\n" << out;
  }
}

TEST_F(Commands, WhatConfigPrintsIsTheSameExperiment) {
  const Arguments plugins = {"--plugin-path", kPlugins};
  const auto [first, errors, code] =
      outcome({"config", write_experiment("plugin = \"lora\"\ntargets = [\"query\"]\n"), plugins[0], plugins[1]});
  ASSERT_EQ(code, kDone) << errors;
  folder().write("again.toml", first);
  const auto [second, more_errors, again] = outcome({"config", "again.toml", plugins[0], plugins[1]});
  ASSERT_EQ(again, kDone) << more_errors;
  // The name is written out now; the comments differ, the values do not.
  EXPECT_EQ(experiment::write_toml(experiment::read_toml("again.toml")),
            experiment::write_toml(experiment::parse_toml(second, "second")));
}

TEST_F(Commands, ProblemsOfTheFileAndOfItsPluginsAreToldTogether) {
  const auto [out, errors, code] =
      outcome({"config", write_experiment("plugin = \"lora\"\nrnak = 4\n", "[train]\nbatch_size = 0\n"), "--set",
               "data.max_lenght=64", "--plugin-path", kPlugins});
  EXPECT_EQ(code, kUsersMistake);
  EXPECT_EQ(out, "");
  EXPECT_EQ(errors.find("train.batch_size: must be between 1 and 1000000, got 0 (experiment.toml:10)\n"), 0u) << errors;
  EXPECT_NE(errors.find("\ndata.max_lenght: unknown key; did you mean 'max_length'? keys of [data]: plugin, "),
            std::string::npos)
      << errors;
  EXPECT_NE(errors.find("\nstrategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'lora': "),
            std::string::npos)
      << errors;
}

TEST_F(Commands, PluginsAreListedWithWhatIsWrongWithThem) {
  std::filesystem::create_directories("mine");
  folder().write("mine/broken.strategy.so", "no library");
  const auto [out, errors, code] = outcome({"plugins", "--json", "--plugin-path", "mine", "--plugin-path", kPlugins});
  ASSERT_EQ(code, kDone) << errors;
  const auto all = nlohmann::json::parse(out);
  EXPECT_EQ(all[0]["name"], "broken");
  EXPECT_TRUE(all[0].contains("problem"));
  const auto lora = std::find_if(all.begin(), all.end(), [](const auto& plugin) { return plugin["name"] == "lora"; });
  ASSERT_NE(lora, all.end());
  EXPECT_EQ((*lora)["kind"], "strategy");
  EXPECT_NE((*lora)["version"], "");
  EXPECT_FALSE(lora->contains("problem"));

  const auto [table, table_errors, table_code] =
      outcome({"plugins", "--plugin-path", "mine", "--plugin-path", kPlugins});
  EXPECT_EQ(table_code, kDone);
  EXPECT_NE(table.find("strategy  broken "), std::string::npos) << table;
  EXPECT_NE(table.find("\nmine/broken.strategy.so: "), std::string::npos) << table;
}

TEST_F(Commands, ComparePrintsTheGoodRunsAndNamesTheOthers) {
  std::filesystem::create_directories("runs/a");
  folder().write("runs/a/experiment.toml", "");
  report::write_report("runs/a/report.json", report::sample_report());
  const auto [out, errors, code] = outcome({"compare", "runs/a", "runs/b", "--format", "csv", "--html", "page.html"});
  EXPECT_EQ(code, kUsersMistake);
  EXPECT_NE(out.find("\nruns/a,method,7,"), std::string::npos) << out;
  EXPECT_EQ(errors, "runs/b: not found (working directory " + folder().path() + ")\n");
  EXPECT_TRUE(std::filesystem::exists("page.html"));
}

}  // namespace
}  // namespace plugtune::app
