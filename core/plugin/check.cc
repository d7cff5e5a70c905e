// check.cc - which tests there are, in what order they run, and which are skipped when another has failed.
#include "plugin/check.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "plugin/check_case.h"
#include "plugtune/error.h"

namespace plugtune::plugin {
namespace {

std::vector<CheckCase> all_cases(Kind kind) {
  std::vector<CheckCase> cases = file_cases();
  const std::vector<CheckCase>& own = kind == Kind::kStrategy ? strategy_cases() : dataset_cases();
  cases.insert(cases.end(), own.begin(), own.end());
  return cases;
}

std::vector<CheckCase> chosen_cases(Kind kind, const std::vector<std::string>& only) {
  const std::vector<CheckCase> all = all_cases(kind);
  if (only.empty()) return all;
  std::vector<std::string> names, problems;
  for (const CheckCase& test : all)
    names.push_back(test.name);
  for (const std::string& name : only) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string hint = did_you_mean(name, names);
    problems.push_back(fmt::format("--only: a {} has no test '{}'{}tests: {}", kind_name(kind), name,
                                   hint.empty() ? "; " : hint + " ", join(names)));
  }
  if (!problems.empty()) throw Error(problems);
  std::vector<CheckCase> chosen;
  std::copy_if(all.begin(), all.end(), std::back_inserter(chosen),
               [&](const CheckCase& test) { return std::find(only.begin(), only.end(), test.name) != only.end(); });
  return chosen;
}

template <class Run>
std::vector<CheckResult> run_all(const std::string& path, const CheckOptions& options,
                                 const std::function<void(const CheckResult&)>& on_result, const Run& run) {
  std::vector<CheckResult> results;
  std::map<std::string, std::string> broken;  // by test without a result: the first test that is to blame
  for (const CheckCase& test : chosen_cases(kind_and_name(path).first, options.only)) {
    CheckResult result;
    if (const auto needed = broken.find(test.needs); needed != broken.end()) {
      result = {test.name, CheckStatus::kSkip, fmt::format("needs '{}'", needed->second)};
      result.needs = needed->second;
    } else {
      result = run(test);
    }
    const bool is_usable = result.status == CheckStatus::kPass || result.status == CheckStatus::kWarn ||
                           result.status == CheckStatus::kNote;
    if (!is_usable) broken[test.name] = broken.contains(test.needs) ? broken[test.needs] : test.name;
    results.push_back(result);
    if (on_result) on_result(result);
  }
  return results;
}

}  // namespace

const char* status_name(CheckStatus status) noexcept {
  static constexpr const char* kNames[] = {"", "pass", "fail", "warn", "skip", "crash", "note"};
  return kNames[static_cast<int>(status)];
}

std::vector<CheckTest> check_tests(Kind kind) {
  std::vector<CheckTest> tests;
  for (const CheckCase& test : all_cases(kind)) {
    const CheckExplanation& explained = explanation_of(test.name);
    tests.push_back({test.name, test.question, explained.what, explained.why, explained.repair});
  }
  return tests;
}

CheckResult run_case(const CheckCase& test, const CheckSubject& subject) {
  CheckResult result{test.name};
  const auto start = std::chrono::steady_clock::now();
  try {
    result.message = test.run(subject);
  } catch (const CheckVerdict& verdict) {
    result.status = verdict.status;
    result.message = verdict.what();
    result.numbers = verdict.numbers;
  } catch (...) {
    result.status = CheckStatus::kFail;
    result.message = exception_text();
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::vector<CheckResult> run_checks(const std::string& path, const CheckOptions& options,
                                    const std::function<void(const CheckResult&)>& on_result) {
  return run_all(path, options, on_result, [&](const CheckCase& test) { return run_case_in_child(test, options); });
}

std::vector<CheckResult> run_checks_in_process(const std::string& path, const CheckOptions& options,
                                               const std::function<void(const CheckResult&)>& on_result) {
  const CheckSubject subject{path, options};
  return run_all(path, options, on_result, [&](const CheckCase& test) { return run_case(test, subject); });
}

ConfigView settings_view(const CheckSubject& subject, const Plugin& plugin, ConfigNode table) {
  ConfigView::Origin origin;
  origin.subject = plugin.kind() == Kind::kStrategy ? "strategy" : "data";
  origin.owner = fmt::format("{} '{}'", kind_name(plugin.kind()), plugin.name());
  origin.open_run = subject.options.open_run;
  return ConfigView(std::move(table), std::move(origin));
}

void skip_without_settings(const CheckSubject& subject, const Plugin& plugin) {
  const CheckOptions& options = subject.options;
  const bool has_none = std::get<ConfigNode::Table>(options.settings.value).empty() && options.in_front.empty();
  if (plugin.has_flag(PLUGTUNE_FLAG_NEEDS_SETTINGS) && has_none)
    skip("cannot be tried with defaults alone; give --settings 'key = value' or --in-front 'strategy'");
}

std::string counted(size_t number, const std::string& noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

}  // namespace plugtune::plugin
