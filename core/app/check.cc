// check.cc - `plugtune check`: whether a plugin keeps to everything that the host relies on.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <iostream>

#include "app/check_text.h"
#include "app/command_line.h"
#include "experiment/delta_info.h"
#include "experiment/toml.h"
#include "plugin/check.h"

namespace plugtune::app {

namespace {

using plugin::CheckResult;
using plugin::CheckStatus;

/// A file, or the name of a plugin that is found.
std::string find_file(const std::string& given, const plugin::SearchPath& search) {
  std::error_code error;
  if (given.find('/') != given.npos || std::filesystem::exists(given, error)) return given;
  std::vector<std::string> names;
  for (const plugin::Found& found : plugin::list(search)) {
    if (found.name == given) return found.path;
    names.push_back(found.name);
  }
  // Neither: the message for a name when it looks like one.
  if (given.find('.') == given.npos)
    throw Error(fmt::format("plugin '{}': not found{}", given, did_you_mean(given, names)));
  return given;
}

ConfigNode read_settings(const CommandLine& line) {
  ConfigNode settings{ConfigNode::Table{}};
  for (const std::string& text : line.texts("settings")) {
    const ConfigNode parsed = experiment::parse_toml(text, "--settings");
    for (const auto& [key, value] : std::get<ConfigNode::Table>(parsed.value))
      settings.set(key, value);
  }
  if (line.has("data")) settings.set("path", {line.text("data")});
  return settings;
}

/// A finished run; or, by the name of a strategy and a seed ("name:2"), a few steps of it on the model that plugins are
/// checked with.
SourceRun source_run(const std::string& run, const plugin::SearchPath& search) {
  std::error_code error;
  if (std::filesystem::exists(run, error)) return experiment::open_source_run(run);
  const size_t colon = run.rfind(':');
  uint64_t seed = 1;
  if (colon != run.npos) std::from_chars(run.data() + colon + 1, run.data() + run.size(), seed);
  return plugin::sample_run(plugin::load(plugin::Kind::kStrategy, run.substr(0, colon), search), seed);
}

/// "NAME", "NAME key = value, key = value"
plugin::StrategyInFront strategy_in_front(const std::string& text, const plugin::SearchPath& search) {
  const size_t end = std::min(text.find(' '), text.size());
  const auto settings = experiment::parse_toml_value(fmt::format("{{{}}}", text.substr(end)));
  if (!settings)
    throw Error(fmt::format(
        "--in-front: must be a strategy and what it is set to, 'NAME key = value, key = value', got '{}'", text));
  return {plugin::load(plugin::Kind::kStrategy, text.substr(0, end), search), *settings};
}

double read_timeout(const std::string& text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || !(seconds > 0)) {
    throw Error("--timeout: must be a number of seconds above 0, got \"" + text + "\"");
  }
  return seconds;
}

/// This program once more, for one test: what is appended says which.
std::vector<std::string> child_command(const std::string& file, const CommandLine& line) {
  std::vector<std::string> command = {"/proc/self/exe", "check", file};
  for (const std::string& text : line.texts("settings"))
    command.insert(command.end(), {"--settings", text});
  for (const std::string& text : line.texts("in-front"))
    command.insert(command.end(), {"--in-front", text});
  if (line.has("data")) command.insert(command.end(), {"--data", line.text("data")});
  if (line.has("seed")) command.insert(command.end(), {"--seed", line.text("seed")});
  for (const std::string& directory : line.texts("plugin-path"))
    command.insert(command.end(), {"--plugin-path", directory});
  return command;
}

/// "--result-fd N" at the end: this is a child that checks one thing for its parent. -1: it is not.
int take_result_descriptor(Arguments& arguments) {
  const size_t size = arguments.size();
  if (size < 2 || arguments[size - 2] != "--result-fd") return -1;
  const std::string text = arguments.back();
  arguments.resize(size - 2);
  int descriptor = -1;
  std::from_chars(text.data(), text.data() + text.size(), descriptor);
  return descriptor;
}

/// --explain without a test is --explain "".
void complete_explain(Arguments& arguments) {
  const auto at = std::ranges::find(arguments, "--explain");
  if (at == arguments.end()) return;
  if (std::next(at) == arguments.end() || std::next(at)->starts_with('-')) arguments.insert(std::next(at), "");
}

int explain(const CommandLine& line) {
  const std::string test = line.text("explain");
  std::cout << (line.has("json") ? explained_json(test) : test.empty() ? explained_tests() : explained_test(test));
  return kDone;
}

int check(const CommandLine& line, int result_descriptor) {
  if (!line.has("plugin.so")) throw Error("check: <plugin.so> is missing; see plugtune check --help");
  const std::string file = find_file(line.texts("plugin.so").front(), line.search_path());
  plugin::CheckOptions options;
  options.only = line.texts("only");
  options.settings = read_settings(line);
  options.open_run = [&](const std::string& run) { return source_run(run, line.search_path()); };
  if (line.has("in-front") && plugin::kind_and_name(file).first == plugin::Kind::kDataset)
    throw Error("check: --in-front is of strategies, and " + file + " is a dataset");
  for (const std::string& text : line.texts("in-front")) {
    options.in_front.push_back(strategy_in_front(text, line.search_path()));
    plugin::make_in_front(options.in_front.back(), options);  // a slip in its settings is told once, not by each test
  }
  if (line.has("timeout")) options.timeout_seconds = read_timeout(line.text("timeout"));
  options.seed = static_cast<uint64_t>(line.whole_number("seed", 0, 0));
  options.child_command = child_command(file, line);

  if (result_descriptor >= 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // no test outlives the command that asked for it
    for (const CheckResult& result : plugin::run_checks_in_process(file, options, {}))
      plugin::report_result(result_descriptor, result);
    return kDone;
  }

  const auto start = std::chrono::steady_clock::now();
  std::function<void(const CheckResult&)> on_result;
  if (!line.has("json")) {
    std::cout << file << "\n";
    on_result = [](const CheckResult& result) {
      if (result.needs.empty()) std::cout << result_line(result) << std::flush;
    };
  }
  const auto run = line.has("in-process") ? plugin::run_checks_in_process : plugin::run_checks;
  const std::vector<CheckResult> results = run(file, options, on_result);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cout << (line.has("json") ? results_json(file, options.seed, results)
                                 : skipped_lines(results) + summary_line(results, seconds));
  const bool is_sound = std::ranges::none_of(results, [](const CheckResult& result) {
    return result.status == CheckStatus::kFail || result.status == CheckStatus::kCrash;
  });
  return is_sound ? kDone : kUsersMistake;
}

}  // namespace

int check_command(const Arguments& given) {
  Arguments arguments = given;
  const int result_descriptor = take_result_descriptor(arguments);
  complete_explain(arguments);
  CommandLine line(
      "check", "Tries whether a plugin keeps to everything that plugtune relies on, each test in its own process.",
      {"plugtune check build/mine.strategy.so", "plugtune check build/mine.strategy.so --settings 'rank = 4'",
       "plugtune check build/mine.dataset.so --data reviews.tsv", "plugtune check --explain packed",
       "gdb --args plugtune check build/mine.strategy.so --only forward --in-process"});
  line.optional_positional("plugin.so")
      .values("only", "TEST", "only this test")
      .value("explain", "TEST", "what a test does, why, and how to repair what it finds; without TEST, all tests")
      .values("settings", "TOML", "settings of the plugin: 'rank = 4'")
      .values("in-front", "STRATEGY",
              "what stands in front of it, tuned for a few steps and frozen: 'NAME key = value'")
      .value("data", "PATH", "the path that a dataset opens")
      .value("seed", "N", "another small model, and other numbers that the plugin draws; default 0")
      .value("timeout", "SECONDS", "of each test; default 30")
      .flag("in-process", "run the tests in this process, for a debugger")
      .flag("json", "for programs")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;
  return line.has("explain") ? explain(line) : check(line, result_descriptor);
}

}  // namespace plugtune::app
