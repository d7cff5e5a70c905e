// matrix_test.cc - what goes where: every golden adapter to every format, as docs/formats.md says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "exchange/support.h"
#include "support/temp_folder.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBegin = "<!-- made by exchange_test: begin -->\n";
constexpr const char* kEnd = "<!-- made by exchange_test: end -->\n";

/// The largest difference of logits after a way out and in again.
std::string difference(const Tensor& before, const Tensor& after) {
  const double largest = testing::largest(after - before);
  if (largest == 0) return "exact";
  EXPECT_LT(largest, 1e-5 * std::max(1.0, testing::largest(before)));
  return "exact but for rounding";
}

/// The reason without its subject and advice, and with '...' for the module that it happens to name first.
std::string reason(const Error& error) {
  std::string text = error.problems().front();
  text = text.substr(text.find(": ") + 2);
  text = text.substr(0, text.find(';'));
  text = std::regex_replace(text, std::regex("'?(encoder|embeddings)\\.[a-zA-Z0-9_.]+'?"), "...");
  std::ranges::replace(text, '|', '/');
  return "refused: " + text;
}

std::string to_library(const ImportedRun& imported, const testing::Golden& golden, const Tensor& before,
                       const std::string& format, const fs::path& folder) {
  try {
    exchange::write_foreign(folder, export_foreign(imported.session, format, "golden", "tests/golden/tiny"), false);
  } catch (const Error& error) {
    return reason(error);
  }
  ImportOptions options{folder.string(), "", "", "golden"};
  ImportedRun again = import_foreign(options, testing::shipped_plugins());
  return difference(before, testing::logits_of(again.session, golden));
}

std::string to_weights(ImportedRun& imported, const testing::Golden& golden, const Tensor& before) {
  model::Bert& model = imported.session.model();
  std::string outcome;
  try {
    const model::Folded folded = model.fold();
    outcome = difference(before, testing::logits_of(imported.session, golden));
    model.unfold(folded);
  } catch (const Error& error) {
    outcome = reason(error);
  }
  EXPECT_TRUE(torch::equal(testing::logits_of(imported.session, golden), before));  // to the bit
  return outcome;
}

std::string strategies_of(const Session& session) {
  std::vector<std::string> names;
  for (const auto& strategy : session.methods.all())
    names.push_back(strategy.name());
  return join(names, " + ");
}

/// "adapterhub (stack)": several adapters under a set-up.
std::string from(const testing::ForeignCase& one) {
  return one.folder == one.format() ? one.folder : one.format() + " (stack)";
}

/// Cases with the same outcomes in one line.
std::string table() {
  const testing::TempFolder folder;
  std::vector<std::string> outcomes;  // in the order of their first case
  std::map<std::string, std::vector<std::string>> cases;
  int count = 0;
  for (const testing::ForeignCase& one : testing::foreign_cases()) {
    const testing::Golden golden(one.name);
    ImportedRun imported = testing::import_case(one);
    const Tensor before = testing::logits_of(imported.session, golden);
    const fs::path out = fs::path(folder.path()) / std::to_string(count++);
    const std::string to_peft = to_library(imported, golden, before, "peft", out / "peft");
    const std::string to_hub = to_library(imported, golden, before, "adapterhub", out / "adapterhub");
    const std::string outcome = fmt::format("{} | {} | {} | {} | {}", strategies_of(imported.session), from(one),
                                            to_peft, to_hub, to_weights(imported, golden, before));
    if (!cases.contains(outcome)) outcomes.push_back(outcome);
    cases[outcome].push_back(one.name);
  }
  std::string text =
      "| strategy | from | to peft | to AdapterHub | merged (hf) | cases |\n| --- | --- | --- | --- | --- | --- |\n";
  for (const std::string& outcome : outcomes)
    text += fmt::format("| {} | {} |\n", outcome, join(cases[outcome]));
  return text;
}

/// To write the page anew: PLUGTUNE_WRITE_DOCS=1 exchange_test --gtest_filter='Matrix.*'
TEST(Matrix, IsWhatTheDocumentationSays) {
  const testing::InRepository in_repository;
  const fs::path page = "docs/formats.md";
  const std::string text = testing::read_bytes(page);
  const size_t begin = text.find(kBegin), end = text.find(kEnd);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos && begin < end);
  const size_t from = begin + std::string(kBegin).size();
  const std::string made = table();
  if (std::getenv("PLUGTUNE_WRITE_DOCS") != nullptr) {
    std::ofstream(page, std::ios::binary) << text.substr(0, from) << made << text.substr(end);
    return;
  }
  EXPECT_EQ(text.substr(from, end - from), made);
}

}  // namespace
}  // namespace plugtune::app
