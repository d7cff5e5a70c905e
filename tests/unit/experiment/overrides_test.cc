// overrides_test.cc - `--set key=value`.
#include "experiment/overrides.h"

#include "experiment/toml.h"
#include "unit/experiment/support.h"

namespace plugtune::experiment {
namespace {

/// One value after an override, as TOML.
std::string after(const std::string& text, const std::string& override, const std::string& key) {
  ConfigNode tables = parse_toml(text, "x.toml");
  apply_override(tables, override);
  const ConfigNode* node = find_key(tables, key);
  return node == nullptr ? "absent" : write_toml_value(*node);
}

std::string mistake(const std::string& text, const std::string& override) {
  return error_of([&] { after(text, override, "x"); });
}

TEST(Override, ValuesAreTomlOrElseText) {
  const std::pair<const char*, const char*> cases[] = {
      {"strategy.rank=16", "16"},
      {"strategy.rank=5e-4", "5e-4"},
      {"strategy.rank=true", "true"},
      {"strategy.rank=[\"query\", \"value\"]", "[\"query\", \"value\"]"},
      {"strategy.rank={ a = 1 }", "{ a = 1 }"},
      {"strategy.rank=plain", "\"plain\""},
      {"strategy.rank=runs/a=b", "\"runs/a=b\""},
      {"strategy.rank=\"16\"", "\"16\""},
      {"strategy.rank=", "\"\""},
      {"strategy.rank=2026-01-31", "\"2026-01-31\""},
      {"strategy.rank=1\nseed = 2", "\"1\\nseed = 2\""},
      {"strategy.rank=배우", "\"배우\""},
  };
  for (const auto& [override, value] : cases)
    EXPECT_EQ(after("[strategy]\nrank = 8\n", override, "strategy.rank"), value) << override;
}

TEST(Override, TablesAndKeysThatAreNotThereAreMade) {
  EXPECT_EQ(after("", "train.epochs=2", "train.epochs"), "2");
  EXPECT_EQ(after("[strategy]\nplugin='a'\n", "strategy.widths.\"0.1\"=3", "strategy.widths"), "{ \"0.1\" = 3 }");
  EXPECT_EQ(after("[strategy]\nplugin='a'\nrank=1\n", "strategy={plugin=\"b\"}", "strategy"), "{ plugin = \"b\" }");
}

TEST(Override, BytesThatAreNotUtf8AreRefused) {
  EXPECT_EQ(mistake("", "data.path=\xB0\xA1"),
            "--set data.path=\xB0\xA1: must be UTF-8, as the run's experiment.toml is");
}

TEST(Override, ElementsOfListsAreNamedByIndex) {
  const std::string two = "[[strategy]]\nplugin='a'\n[[strategy]]\nplugin='b'\n";
  EXPECT_EQ(after(two, "strategy[1].rank=16", "strategy[1].rank"), "16");
  EXPECT_EQ(after(two, "strategy[1].rank=16", "strategy[0].rank"), "absent");
  EXPECT_EQ(after("[[strategy]]\nplugin='a'\n", "strategy.rank=16", "strategy[0].rank"), "16");
  EXPECT_EQ(after("[strategy]\nplugin='a'\n", "strategy[0].rank=16", "strategy.rank"), "16");
}

TEST(Override, MistakesShowWhatWasTyped) {
  const std::string two = "[run]\nseed=1\n[[strategy]]\nplugin='a'\n[[strategy]]\nplugin='b'\n";
  const std::pair<const char*, const char*> cases[] = {
      {"train.epochs", "--set train.epochs: must be key=value, such as --set train.epochs=2"},
      {"=3", "--set =3: must be key=value, such as --set train.epochs=2"},
      {"train..epochs=3", "--set train..epochs=3: must be key=value, such as --set train.epochs=2"},
      {"train epochs=3", "--set train epochs=3: must be key=value, such as --set train.epochs=2"},
      {"strategy.rank=16",
       "--set strategy.rank=16: 'strategy' is a list of 2; write strategy[0].rank or strategy[1].rank"},
      {"strategy[2].rank=16",
       "--set strategy[2].rank=16: 'strategy' is a list of 2; write strategy[0].rank or strategy[1].rank"},
      {"strategy[x].rank=16", "--set strategy[x].rank=16: must have a whole number from 0 in [ ]"},
      {"strategy[-1].rank=16", "--set strategy[-1].rank=16: must have a whole number from 0 in [ ]"},
      {"run.seed.x=1", "--set run.seed.x=1: 'run.seed' is no table"},
      {"run[1].x=1", "--set run[1].x=1: 'run' is no list"},
      {"other[1].x=1", "--set other[1].x=1: there is no 'other' yet, so no element 1"},
      {"run.\"a=1", "--set run.\"a=1: has a quote in its key that is not closed"},
  };
  for (const auto& [override, message] : cases)
    EXPECT_EQ(mistake(two, override), message);
}

}  // namespace
}  // namespace plugtune::experiment
