#pragma once
// run_html.h - report.html: one run on a page, from its report.json and log.jsonl.

#include <filesystem>
#include <string>
#include <vector>

#include "report/run_report.h"

namespace plugtune::report {

/// The steps of a run's log.jsonl, in the file's order. Lines that are no step are passed over, and a file that is not there has
/// none: a run that was imported has no log.
std::vector<train::StepReport> read_steps(const std::filesystem::path& log);

/// The page. Every number in it is from the two arguments.
std::string run_html(const RunReport& report, const std::vector<train::StepReport>& steps);

/// Reads both files of a finished run. Throws Error.
std::string run_html_of(const std::filesystem::path& run);

}  // namespace plugtune::report
