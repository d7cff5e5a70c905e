#pragma once
// check.h - `plugtune check`: tries everything that a plugin must keep to, each test in a process of its own.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "plugin/loader.h"
#include "plugtune/config.h"

namespace plugtune::plugin {

/// kNote: something worth knowing that is neither right nor wrong.
enum class CheckStatus { kPass = 1, kFail, kWarn, kSkip, kCrash, kNote };
const char* status_name(CheckStatus status) noexcept;  ///< "pass", ...

struct CheckResult {
  std::string test;
  CheckStatus status = CheckStatus::kPass;
  std::string message{};  ///< what is wrong, or a remark; may be empty
  double seconds = 0;
  std::string needs{};                      ///< of a test that was not run for it: the one that did not pass
  std::map<std::string, double> numbers{};  ///< what was measured, by name with unit: "step_ms"
};

/// A strategy that stands in front of the one that is checked.
struct StrategyInFront {
  Plugin plugin;
  ConfigNode settings{ConfigNode::Table{}};
};

struct CheckOptions {
  std::vector<std::string> only;                              ///< names of tests; empty: all
  ConfigNode settings{ConfigNode::Table{}};                   ///< the plugin's own table
  std::function<SourceRun(const std::string& run)> open_run;  ///< for settings that name finished runs; may be empty
  std::vector<StrategyInFront> in_front;  ///< as of finished runs: each is trained a few steps, then frozen
  double timeout_seconds = 30;            ///< of one test
  uint64_t seed = 0;  ///< added to every seed: another model, and other numbers that the plugin draws
  /// A program and arguments that check the same file with the same settings when "--only NAME --in-process --result-fd 3"
  /// is appended, and hand the result to report_result().
  std::vector<std::string> child_command;
};

/// A test as it is explained.
struct CheckTest {
  std::string name;
  std::string question;  ///< in a line, what it asks
  std::string what;      ///< what is done, and what must come out
  std::string why;       ///< what plugtune does that relies on it
  std::string repair;    ///< what to change where it fails
};
/// All tests of a kind, in the order in which they run.
std::vector<CheckTest> check_tests(Kind kind);

/// Runs the tests one after another, each in a child process, and tells of each when it is done. When a test fails, those
/// that need it are skipped. Throws Error when the file's name is no plugin's or `only` names no test.
std::vector<CheckResult> run_checks(const std::string& path, const CheckOptions& options,
                                    const std::function<void(const CheckResult&)>& on_result);

/// The same in this process: a plugin that crashes takes it along. For a debugger.
std::vector<CheckResult> run_checks_in_process(const std::string& path, const CheckOptions& options,
                                               const std::function<void(const CheckResult&)>& on_result);

/// Throws Error: what it says of its settings, "--in-front: <name>.<key>: ...".
LoadedStrategy make_in_front(const StrategyInFront& given, const CheckOptions& options);

/// What a strategy with its default settings leaves behind after a few steps on the model that plugins are checked with: for
/// checking a strategy that starts from finished runs.
SourceRun sample_run(const Plugin& plugin, uint64_t seed);

/// In a child process: writes a result where run_checks() reads it.
void report_result(int descriptor, const CheckResult& result);

}  // namespace plugtune::plugin
