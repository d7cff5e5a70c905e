#pragma once
// check_text.h - what `plugtune check` prints: a line for each test, their sum, the same for programs, and explanations.

#include <string>
#include <vector>

#include "plugin/check.h"

namespace plugtune::app {

/// "  pass   forward             128 trainable numbers in 4 tensors\n"; of a test that found something, with where to read on.
std::string result_line(const plugin::CheckResult& result);

/// The tests that were not run because another did not pass: "  skip   16 tests            need 'stamp'\n" for each of those.
std::string skipped_lines(const std::vector<plugin::CheckResult>& results);

/// "21 passed, 1 failed in 5.5 s". Notes are not counted.
std::string summary_line(const std::vector<plugin::CheckResult>& results, double seconds);

/// @param file  as it was given   @param seed  CheckOptions::seed
std::string results_json(const std::string& file, uint64_t seed, const std::vector<plugin::CheckResult>& results);

/// Every test of strategies and of data sets in a line.
std::string explained_tests();
/// What a test does, why, and how to repair what it finds. Throws Error when there is no test of that name.
std::string explained_test(const std::string& name);
/// The same of one test, or ("") of all, as a list for programs.
std::string explained_json(const std::string& name);

}  // namespace plugtune::app
