#pragma once
// compare.h - several runs side by side, from their reports.

#include <string>
#include <vector>

#include "report/run_report.h"

namespace plugtune::report {

struct ComparedRun {
  std::string path;
  RunReport report;
};

/// Runs that can be compared, and what is wrong with the others.
struct Comparison {
  std::vector<ComparedRun> runs;
  std::vector<std::string> problems;
};

/// Reads the report of each run directory. A run that is missing, unfinished or damaged becomes a problem by its name.
Comparison read_runs(const std::vector<std::string>& paths);

/// One row per run: strategies, trainable parameters, what the kept delta is worth, and what it cost. Rounded for
/// people.
std::string compare_table(const std::vector<ComparedRun>& runs);
std::string compare_markdown(const std::vector<ComparedRun>& runs);
/// The same columns with names fit for a program and full precision.
std::string compare_csv(const std::vector<ComparedRun>& runs);
std::string compare_json(const std::vector<ComparedRun>& runs);
/// One page without other files: the table; what the runs are worth against parameters, time and examples; the course of each;
/// the tables of its strategies as heat maps.
std::string compare_html(const std::vector<ComparedRun>& runs);

}  // namespace plugtune::report
