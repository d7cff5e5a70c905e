// check_text.cc - what `plugtune check` prints.
#include "app/check_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "plugtune/error.h"
#include "report/text_table.h"

namespace plugtune::app {
namespace {

using plugin::CheckResult;
using plugin::CheckStatus;
using plugin::CheckTest;
using plugin::Kind;
using Json = nlohmann::ordered_json;

constexpr size_t kNameWidth = 18;  // finite-differences
constexpr size_t kMessageColumn = 2 + 5 + 2 + kNameWidth + 2;
constexpr size_t kTextWidth = 100;

/// Bytes that are not UTF-8 stand as a question mark of Unicode's.
std::string dumped(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

bool found_something(CheckStatus status) {
  return status == CheckStatus::kFail || status == CheckStatus::kCrash || status == CheckStatus::kWarn;
}

/// Tests of both kinds of plugin, those that both have once.
std::vector<CheckTest> all_tests() {
  std::vector<CheckTest> all = plugin::check_tests(Kind::kStrategy);
  for (CheckTest& test : plugin::check_tests(Kind::kDataset)) {
    if (std::ranges::find(all, test.name, &CheckTest::name) == all.end()) all.push_back(std::move(test));
  }
  return all;
}

CheckTest test_named(const std::string& name) {
  const std::vector<CheckTest> all = all_tests();
  std::vector<std::string> names;
  for (const CheckTest& test : all) {
    if (test.name == name) return test;
    names.push_back(test.name);
  }
  const std::string hint = did_you_mean(name, names);
  throw Error(
      fmt::format("--explain: there is no test '{}'{}tests: {}", name, hint.empty() ? "; " : hint + " ", join(names)));
}

/// Words in lines of at most kTextWidth, each behind `indent` blanks; the first behind `head`.
std::string wrapped(const std::string& head, size_t indent, const std::string& text) {
  std::string out, line = head + std::string(indent - head.size(), ' ');
  bool is_begin = true;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (!is_begin && line.size() + 1 + (end - at) > kTextWidth) {
      out += line + "\n";
      line = std::string(indent, ' ');
      is_begin = true;
    }
    if (!is_begin) line += ' ';
    line.append(text, at, end - at);
    is_begin = false;
    at = end + 1;
  }
  return out + line + "\n";
}

}  // namespace

std::string result_line(const CheckResult& result) {
  std::string message = result.message;
  if (found_something(result.status)) {
    const std::string hint = fmt::format("see plugtune check --explain {}", result.test);
    message += message.find('\n') == message.npos ? " (" + hint + ")" : "\n" + hint;
  }
  // Further lines of a message stand under its first one.
  for (size_t at = message.find('\n'); at != message.npos; at = message.find('\n', at + 1))
    message.insert(at + 1, kMessageColumn, ' ');
  std::string line =
      fmt::format("  {:<5}  {:<{}}  {}", plugin::status_name(result.status), result.test, kNameWidth, message);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string skipped_lines(const std::vector<CheckResult>& results) {
  std::vector<std::pair<std::string, std::vector<std::string>>> skipped;  // test that did not pass, those that need it
  for (const CheckResult& result : results) {
    if (result.needs.empty()) continue;
    auto found = std::ranges::find(skipped, result.needs, &std::pair<std::string, std::vector<std::string>>::first);
    if (found == skipped.end()) found = skipped.insert(skipped.end(), {result.needs, {}});
    found->second.push_back(result.test);
  }
  std::string out;
  for (const auto& [needed, tests] : skipped) {
    const bool is_one = tests.size() == 1;
    const std::string who = is_one ? tests.front() : fmt::format("{} tests", tests.size());
    out += result_line({who, CheckStatus::kSkip, fmt::format("{} '{}'", is_one ? "needs" : "need", needed)});
  }
  return out;
}

std::string summary_line(const std::vector<CheckResult>& results, double seconds) {
  std::vector<std::string> parts;
  const std::pair<CheckStatus, const char*> kWords[] = {{CheckStatus::kPass, "passed"},
                                                        {CheckStatus::kWarn, "with a warning"},
                                                        {CheckStatus::kFail, "failed"},
                                                        {CheckStatus::kCrash, "crashed"},
                                                        {CheckStatus::kSkip, "skipped"}};
  for (const auto& [status, word] : kWords) {
    const auto number = std::ranges::count(results, status, &CheckResult::status);
    if (number > 0) parts.push_back(fmt::format("{} {}", number, word));
  }
  if (parts.empty()) parts.emplace_back("nothing judged");
  return fmt::format("{} in {:.1f} s\n", join(parts), seconds);
}

std::string results_json(const std::string& file, uint64_t seed, const std::vector<CheckResult>& results) {
  Json list = Json::array();
  for (const CheckResult& result : results) {
    Json entry = {{"test", result.test},
                  {"status", plugin::status_name(result.status)},
                  {"message", result.message},
                  {"seconds", result.seconds}};
    if (!result.numbers.empty()) entry["numbers"] = result.numbers;
    list.push_back(std::move(entry));
  }
  const auto [kind, name] = plugin::kind_and_name(file);
  return dumped({{"file", file},
                 {"kind", plugin::kind_name(kind)},
                 {"name", name},
                 {"seed", seed},
                 {"results", std::move(list)}});
}

std::string explained_tests() {
  std::string out;
  for (const Kind kind : {Kind::kStrategy, Kind::kDataset}) {
    report::TextTable table({{fmt::format("of a {}", plugin::kind_name(kind))}, {"what must hold"}});
    for (const CheckTest& test : plugin::check_tests(kind))
      table.add({test.name, test.question});
    out += table.terminal() + "\n";
  }
  return out + "plugtune check --explain TEST says what one does, why, and how to repair what it finds.\n";
}

std::string explained_test(const std::string& name) {
  const CheckTest test = test_named(name);
  constexpr size_t kIndent = 10;
  return fmt::format("{}: {}\n\n", test.name, test.question) + wrapped("  what", kIndent, test.what) +
         wrapped("  why", kIndent, test.why) + wrapped("  repair", kIndent, test.repair);
}

std::string explained_json(const std::string& name) {
  Json list = Json::array();
  for (const CheckTest& test : name.empty() ? all_tests() : std::vector<CheckTest>{test_named(name)}) {
    list.push_back({{"test", test.name},
                    {"question", test.question},
                    {"what", test.what},
                    {"why", test.why},
                    {"repair", test.repair}});
  }
  return dumped(list);
}

}  // namespace plugtune::app
