// error_messages_test.cc - every mistake in an experiment is told in full, and the documentation quotes what is told.
#include "unit/experiment/error_messages.h"

#include <gmock/gmock.h>

#include <set>

#include "experiment/run_directory.h"
#include "experiment/toml.h"

namespace plugtune::experiment {
namespace {

using ErrorMessages = InFolder;

TEST_F(ErrorMessages, EachMistakeIsTold) {
  for (const Mistake& mistake : mistakes())
    EXPECT_THAT(problems_of(mistake, /*with_data=*/false), ::testing::ElementsAreArray(mistake.problems))
        << mistake.text;
}

TEST_F(ErrorMessages, WhatTheDataSetContradictsIsTold) {
  for (const Mistake& mistake : mistakes_with_data())
    EXPECT_THAT(problems_of(mistake, /*with_data=*/true), ::testing::ElementsAreArray(mistake.problems))
        << mistake.text;
}

TEST_F(ErrorMessages, AllProblemsOfAFileAreThrownTogether) {
  Experiment experiment = experiment_of("model.path = \"m\"\n[train]\nbatch_size = 0\n[eval]\npatience = -1\n");
  experiment.add_problems(Error("strategy.rank: something that a plugin found"));
  EXPECT_EQ(error_of([&] { experiment.throw_if_problems(); }),
            "data.plugin: is required (experiment.toml)\n"
            "strategy.plugin: is required (experiment.toml)\n"
            "train.batch_size: must be between 1 and 1000000, got 0 (experiment.toml:3)\n"
            "eval.patience: must be at least 0, got -1 (experiment.toml:5)\n"
            "strategy.rank: something that a plugin found");
}

/// What opening a run directory says in each state that it can be in; run_directory_test.cc says when.
std::set<std::string> messages_of_run_directories() {
  std::set<std::string> told;
  const auto open = [&](bool resume, const ConfigNode& tables) {
    told.insert(error_of([&] { RunDirectory("runs/a", tables, resume); }));
  };
  const ConfigNode tables = parse_toml("[run]\nseed = 1\n", "x"),
                   others = parse_toml("[run]\nseed = 1\n[train]\nsteps = 5\n", "x");
  std::filesystem::create_directories("runs/a/holidays");
  open(false, tables);
  std::filesystem::remove_all("runs");
  {
    const RunDirectory held("runs/a", tables, false);
    open(true, tables);
  }
  open(false, tables);
  open(true, others);
  std::ofstream("runs/a/report.json") << "{}";
  open(false, tables);
  open(true, tables);
  return told;
}

/// The lines of the blocks that follow the marker in a documentation page.
std::vector<std::string> quoted_messages(const std::string& page) {
  std::ifstream file(page);
  std::vector<std::string> quoted;
  bool marked = false, inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == "<!-- messages -->") marked = true;
    if (!line.starts_with("```")) {
      if (inside && !line.empty()) quoted.push_back(line);
      continue;
    }
    inside = !inside && marked;
    if (inside) marked = false;
  }
  return quoted;
}

TEST_F(ErrorMessages, TheDocumentationQuotesThemAsTheyAre) {
  std::set<std::string> told;
  for (const Mistake& mistake : mistakes()) {
    for (const std::string& problem : problems_of(mistake, false))
      told.insert(problem);
  }
  for (const Mistake& mistake : mistakes_with_data()) {
    for (const std::string& problem : problems_of(mistake, true))
      told.insert(problem);
  }
  for (const char* unreadable : {"[train]\nepochs = 1\nepochs = 2\n", "[strategy]\nplugin = method\n",
                                 "[run]\nname = \"\xb0\xa1\"\n", "[run]\nname = 2026-01-31\n"}) {
    told.insert(error_of([&] { experiment_of(unreadable); }));
  }
  told.merge(messages_of_run_directories());

  const std::vector<std::string> quoted = quoted_messages(PLUGTUNE_SOURCE_DIR "/docs/experiment-files.md");
  EXPECT_GE(quoted.size(), 10u);
  for (const std::string& line : quoted)
    EXPECT_TRUE(told.count(line)) << "docs/experiment-files.md shows a message that no test gets: " << line;
}

}  // namespace
}  // namespace plugtune::experiment
