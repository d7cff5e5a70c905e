// toml_test.cc - TOML text to tables with lines, and back.
#include "experiment/toml.h"

#include <fmt/format.h>

#include "unit/experiment/support.h"

namespace plugtune::experiment {
namespace {

using Toml = InFolder;

std::string syntax_error(const std::string& text) {
  return error_of([&] { parse_toml(text, "x.toml"); });
}

TEST_F(Toml, NodesKnowTheirLinesAndKeepTheOrderOfTheFile) {
  const ConfigNode tables =
      parse_toml("[train]\nepochs = 2\nbatch_size = 8\n\n[data]\nsizes = [1,\n 2]\nz.y = true\n", "x.toml");
  const auto& top = std::get<ConfigNode::Table>(tables.value);
  ASSERT_EQ(top.size(), 2u);
  EXPECT_EQ(top[0].first, "train");  // not by the alphabet
  EXPECT_EQ(top[1].first, "data");
  EXPECT_EQ(top[1].second.line, 5);
  const auto& train = std::get<ConfigNode::Table>(top[0].second.value);
  EXPECT_EQ(train[0].first, "epochs");
  EXPECT_EQ(train[1].second.line, 3);
  const ConfigNode& second = std::get<ConfigNode::Array>(top[1].second.find("sizes")->value)[1];
  EXPECT_EQ(second.line, 7);
  EXPECT_EQ(std::get<int64_t>(second.value), 2);
  EXPECT_TRUE(std::get<bool>(top[1].second.find("z")->find("y")->value));
}

TEST_F(Toml, ListsOfTablesKeepTheLineOfEachHeader) {
  const ConfigNode tables =
      parse_toml("[[strategy]]\nplugin = 'a'\n[[strategy]]\nplugin = 'b'\nwidths = { x = 1 }\n", "x.toml");
  const auto& list = std::get<ConfigNode::Array>(tables.find("strategy")->value);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1].line, 3);
  EXPECT_EQ(std::get<int64_t>(list[1].find("widths")->find("x")->value), 1);
}

TEST_F(Toml, SyntaxErrorsNameTheLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"[train]\nepochs = 1\nepochs = 2\n",
       "x.toml:3: is not TOML at column 10: cannot redefine existing integer 'epochs' (in key-value pair)"},
      {"[train\n", "x.toml:1: is not TOML at column 7: expected ']', saw '\\n' (in table header)"},
      {"a = [1,\n2", "x.toml:2: is not TOML at column 2: encountered end-of-file (in array)"},
      {"[strategy]\nplugin = method\n",
       "x.toml:2: is not TOML at column 10: could not determine value type (in value); text needs quotes: key = "
       "\"text\""},
      {"a = 12345678901234567890",
       "x.toml:1: is not TOML at column 25: '12345678901234567890' is not representable in 64 bits (in decimal "
       "integer)"},
      {"[a]\nb = 1\n[a]\n", "x.toml:3: is not TOML at column 1: cannot redefine existing table 'a' (in table header)"},
  };
  for (const auto& [text, message] : cases)
    EXPECT_EQ(syntax_error(text), message) << text;
}

TEST_F(Toml, OtherEncodingsAreRefusedByByte) {
  EXPECT_EQ(syntax_error("[run]\nname = \"\xb0\xa1\"\n"),
            "x.toml:2: must be UTF-8, got byte 0xB0 at byte 14; save the file as UTF-8");
  EXPECT_EQ(parse_toml("\xef\xbb\xbf[run]\nname = \"가\"\n", "x.toml").find("run")->find("name")->line,
            2);  // with a BOM
}

TEST_F(Toml, DatesAreNoSettings) {
  EXPECT_EQ(syntax_error("[run]\nname = 2026-01-31\n"),
            "run.name: no setting is a date or a time (x.toml:2); put it in quotes if it is text");
}

std::string repeated(const std::string& part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += part;
  return text;
}

TEST_F(Toml, TablesInTablesTakeNoStack) {
  // Each name is a table in the one before: 200,000 of them, in every way to write a name.
  for (const char* name : {"a.", "a . ", "\"\\\"\".", "'\"'."}) {
    EXPECT_EQ(syntax_error(fmt::format("x = 1\n{}b = 1\n", repeated(name, 200'000))),
              "x.toml:2: has a key of more than 16 names; no setting has")
        << name;
    EXPECT_EQ(syntax_error(fmt::format("[{}b]\n", repeated(name, 16))),
              "x.toml:1: has a key of more than 16 names; no setting has");
    EXPECT_EQ(syntax_error(fmt::format("x = {{y = \"\"\"\"\"a\"b\"\"\"\"\", {}b = 1}}\n", repeated(name, 16))),
              "x.toml:1: has a key of more than 16 names; no setting has");
  }
  EXPECT_EQ(syntax_error(fmt::format("x = {}1{}", repeated("{z.z.z.z = ", 30), repeated("}", 30))),
            "x.toml:1: is nested deeper than 64 levels; no experiment is");
  EXPECT_EQ(syntax_error(fmt::format("x = {}{}", repeated("[", 100), repeated("]", 100))),
            "x.toml:1: is nested deeper than 64 levels; no experiment is");
  EXPECT_FALSE(parse_toml_value(fmt::format("{{{}b = 1}}", repeated("a.", 100'000))));
}

TEST_F(Toml, TextsWithManyDotsAreTexts) {
  const std::string names = repeated("a.", 100) + "b";
  const ConfigNode read = parse_toml(fmt::format("x = \"{0}\" # {0}\ny = '''\n{0}'''\n", names), "x.toml");
  EXPECT_EQ(std::get<std::string>(read.find("x")->value), names);
  EXPECT_EQ(std::get<std::string>(read.find("y")->value), names);
}

TEST_F(Toml, FilesThatCannotBeReadAreNamed) {
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(error_of([] { read_toml("configs/none.toml"); }),
            "configs/none.toml: not found (working directory " + here + ")");
  write("quickstart.toml", "");
  EXPECT_EQ(error_of([] { read_toml("quikstart.toml"); }),
            "quikstart.toml: not found (working directory " + here + "); did you mean 'quickstart.toml'?");
  write("r.toml", "");
  EXPECT_EQ(error_of([] { read_toml("r.tml"); }),
            "r.tml: not found (working directory " + here + "); did you mean 'r.toml'?");
  write("large.toml", "# " + std::string(1'000'000, 'x'));
  EXPECT_EQ(error_of([] { read_toml("large.toml"); }),
            "large.toml: is too large to be what its name says: 1.0 MB, at most 1.0 MB");
  EXPECT_EQ(error_of([] { read_toml("."); }), ".: cannot be read: is a directory");
}

TEST_F(Toml, WhatIsWrittenReadsBackToTheSameTables) {
  const std::string text = R"([run]
name = "tab\tquote\"back\\slash 가 \u0001"
seed = -3

[train]
rate = 5e-4
small = 1e-300
third = 0.3333333333333333
whole = 3.0
infinite = -inf
list = [1, [2.5, "x"], true]
ranks = { query = 8, "a.b" = { c = [] } }

[[strategy]]
plugin = "first"

[[strategy]]
plugin = "second"
)";
  const ConfigNode tables = parse_toml(text, "x.toml");
  EXPECT_EQ(write_toml(tables), text);
  EXPECT_EQ(write_toml(parse_toml(write_toml(tables), "again.toml")), text);
}

TEST_F(Toml, PlainKeysComeBeforeTables) {
  ConfigNode tables{ConfigNode::Table{}};
  tables.set("run", {ConfigNode::Table{{"seed", {int64_t{1}}}}});
  tables.set("odd key", {std::string("x")});
  EXPECT_EQ(write_toml(tables), "\"odd key\" = \"x\"\n\n[run]\nseed = 1\n");
}

TEST_F(Toml, CommentsStandBehindValues) {
  const ConfigNode tables = parse_toml("[run]\nseed = 1\n[[strategy]]\nplugin = 'a'\n", "x.toml");
  EXPECT_EQ(write_toml(tables, [](const std::string& key) { return key; }),
            "[run]\n"
            "seed = 1                                 # run.seed\n"
            "\n"
            "[[strategy]]\n"
            "plugin = \"a\"                             # strategy[0].plugin\n");
}

}  // namespace
}  // namespace plugtune::experiment
