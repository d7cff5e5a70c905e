#pragma once
// check_case.h - inside `plugtune check`: what one test is handed and how it says what it found.

#include <fmt/format.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "plugin/check.h"
#include "plugin/loader.h"

namespace plugtune::plugin {

/// A setting that no plugin has.
constexpr const char* kUnknownKey = "plugtune_no_such_key";

/// What one test works on.
struct CheckSubject {
  std::string path;
  const CheckOptions& options;

  Plugin load() const { return load_file(path); }
};

/// Ends a test with the given status. A test that throws anything else has failed with what that says.
struct CheckVerdict : std::runtime_error {
  CheckVerdict(CheckStatus status, const std::string& message, std::map<std::string, double> numbers = {})
      : std::runtime_error(message),
        status(status),
        numbers(std::move(numbers)) {}
  CheckStatus status;
  std::map<std::string, double> numbers;
};

template <class... Arguments>
[[noreturn]] void fail(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  throw CheckVerdict(CheckStatus::kFail, fmt::format(text, std::forward<Arguments>(arguments)...));
}
template <class... Arguments>
[[noreturn]] void skip(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  throw CheckVerdict(CheckStatus::kSkip, fmt::format(text, std::forward<Arguments>(arguments)...));
}

/// One test: returns a remark (or "") when it passed.
struct CheckCase {
  std::string name;
  std::string needs;  ///< the test without which this one says nothing new; "" for none
  std::string question;
  std::string (*run)(const CheckSubject& subject);
};

/// Of every plugin: stamp, load, exports, descriptor, names.
const std::vector<CheckCase>& file_cases();
const std::vector<CheckCase>& strategy_cases();
const std::vector<CheckCase>& dataset_cases();

/// What a test does, why, and what to do where it fails. There is one for every test.
struct CheckExplanation {
  const char *test, *what, *why, *repair;
};
const CheckExplanation& explanation_of(const std::string& test);

/// The plugin's table as the host would hand it over.
ConfigView settings_view(const CheckSubject& subject, const Plugin& plugin, ConfigNode table);

/// Ends the test where a strategy cannot be tried with its defaults alone and was given nothing else.
void skip_without_settings(const CheckSubject& subject, const Plugin& plugin);

/// "1 token", "3 tokens".
std::string counted(size_t number, const std::string& noun);

/// Runs a test here, whatever it throws.
CheckResult run_case(const CheckCase& test, const CheckSubject& subject);
/// Runs a test in a child process (CheckOptions::child_command), at most timeout_seconds.
CheckResult run_case_in_child(const CheckCase& test, const CheckOptions& options);

}  // namespace plugtune::plugin
