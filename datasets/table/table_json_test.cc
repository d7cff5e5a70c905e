// table_json_test.cc - JSON lines: what is read, and what is refused at which byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/dataset_plugin.h"
#include "support/temp_folder.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;

TEST(TableJson, ReadsStringsNumbersAndBooleansAndPassesOverNestedValues) {
  const TempFolder folder;
  const std::string file = folder.write("x.jsonl",
                                        "{\"meta\": {\"label\": [1, {\"text\": null}]}, \"text\": \"a "
                                        "\\\"b\\\"\\n\\u00e9\\uD83D\\uDE00\\/\", \"label\": true}\r\n"
                                        "\n"
                                        " { \"label\" :false , \"te\\u0078t\": \"영화\", \"x\": -1.5e+3, \"y\": [] } \n"
                                        "{\"text\": 12, \"label\": \"true\"}\n"
                                        "{\"text\": null, \"label\": \"true\"}");
  const auto table = make_dataset({{"path", file}});
  EXPECT_THAT(table->task().labels, ElementsAre("false", "true"));
  EXPECT_THAT(texts(*table, Split::kTrain), ElementsAre("a \"b\"\né😀/", "영화", "12"));
  EXPECT_THAT(labels(*table, Split::kTrain), ElementsAre(1, 0, 1));
  EXPECT_EQ(dynamic_cast<const ExampleSource*>(table.get())->left_out(Split::kTrain), 1u);
}

TEST(TableJson, ReadsArraysOfLabels) {
  const TempFolder folder;
  const std::string file = folder.write("x.jsonl",
                                        "{\"text\": \"a\", \"label\": [\"q\", \"p\"]}\n"
                                        "{\"text\": \"b\", \"label\": [\"\", null]}\n"
                                        "{\"text\": \"c\", \"label\": \"q, r\"}\n"
                                        "{\"text\": \"\\n\\u3000\", \"label\": \"q\"}\n"
                                        "{\"text\": \"d\", \"label\": [\" p\"]}\n");
  const auto table = make_dataset({{"path", file}, {"task", "multi-label"}});
  EXPECT_THAT(table->task().labels, ElementsAre("p", "q", "r"));
  EXPECT_THAT(labels(*table, Split::kTrain), ElementsAre(0b011, 0, 0b110, 0b001));
  EXPECT_EQ(dynamic_cast<const ExampleSource*>(table.get())->left_out(Split::kTrain), 1u);
}

TEST(TableJson, NamesTheKeyThatIsNotThere) {
  const TempFolder folder;
  const std::string file = folder.write("x.jsonl", "{\"txt\": \"a\", \"label\": 1}\n");
  EXPECT_EQ(
      dataset_error({{"path", file}}),
      "data.text: no key 'text' in " + file + "; did you mean 'txt'? its first object has: txt, label (data.toml:1)");
}

TEST(TableJson, NotesRowsThatLackAKeyOrHaveItTwice) {
  const TempFolder folder;
  const std::string file = folder.write("x.jsonl",
                                        "{\"text\": \"a\", \"label\": 1}\n"
                                        "{\"text\": \"a\", \"lable\": 1}\n"
                                        "{\"text\": \"a\", \"label\": 1, \"text\": \"b\"}\n"
                                        "{\"text\": [\"a\"], \"label\": 1}\n"
                                        "{\"text\": \"a\", \"label\": [1]}\n");
  EXPECT_EQ(dataset_error({{"path", file}}), "label: key 'label' must be there, got text, lable (" + file + ":2)\n" +
                                                 "key 'text' must be there once, got it twice (" + file + ":3)\n" +
                                                 "text: must be a text, got an array or object (" + file + ":4)\n" +
                                                 "label: must be one label, got an array (" + file +
                                                 ":5); for several a row: task = \"multi-label\"");
}

TEST(TableJson, RefusesAnArrayOfObjects) {
  const TempFolder folder;
  const std::string file = folder.write("x.json", "[\n{\"text\": \"a\", \"label\": 1}\n]\n");
  EXPECT_EQ(dataset_error({{"path", file}}),
            file + ": must have one JSON object per line, got a JSON array; convert it: jq -c '.[]' " + file +
                " > lines.jsonl");
}

TEST(TableJson, SaysWhatItExpectedAtWhichByte) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"hello", "expected '{', got 'h' at byte 1"},
      {"{\"a\" 1}", "expected ':' after a key, got '1' at byte 6"},
      {"{'a': 1}", "expected a key in double quotes, got ''' at byte 2"},
      {"{\"a\": 1,}", "expected a key in double quotes, got '}' at byte 9"},
      {"{\"a\": 1", "expected ',' or '}' in an object, got the end of the line at byte 8"},
      {"{\"a\": [1 2]}", "expected ',' or ']' in an array, got '2' at byte 10"},
      {"{\"a\": }", "expected a value, got '}' at byte 7"},
      {"{\"a\": 영}", "expected a value, got '영' at byte 7"},
      {"{\"a\": NaN}", "expected a value, got 'N' at byte 7"},
      {"{\"a\": nul}", "expected a value, got 'n' at byte 7"},
      {"{\"a\": 01}", "expected ',' or '}' in an object, got '1' at byte 8"},
      {"{\"a\": 1.}", "expected digits after the decimal point, got '}' at byte 9"},
      {"{\"a\": 1e}", "expected digits in the exponent, got '}' at byte 9"},
      {"{\"a\": \"x}", "expected '\"' at the end of a string, got the end of the line at byte 10"},
      {"{\"a\": \"\tx\"}", "expected an escape such as \\n for a control character in a string, got '\\t' at byte 8"},
      {"{\"a\": \"\\x\"}", "expected one of \" \\ / b f n r t u after a backslash, got 'x' at byte 9"},
      {"{\"a\": \"\\u12g4\"}", "expected four hexadecimal digits after \\u, got 'g' at byte 12"},
      {"{\"a\": \"\\ud800x\"}", "expected the second half of a surrogate pair, got 'x' at byte 14"},
      {"{\"a\": \"\\udc00\"}", "expected the first half of a surrogate pair, got 'u' at byte 9"},
      {"{\"a\": 1} {}", "expected the end of the line after the object, got '{' at byte 10"},
      {"{\"a\": " + std::string(100, '['), "expected at most 64 values inside one another, got '[' at byte 70"},
  };
  for (const auto& [line, problem] : cases) {
    const TempFolder folder;
    const std::string file = folder.write("x.jsonl", "{\"text\": \"a\", \"label\": 1}\n" + line + "\n");
    EXPECT_EQ(dataset_error({{"path", file}}), "line: must be a JSON object, " + problem + " (" + file + ":2)") << line;
  }
}

}  // namespace
}  // namespace plugtune::testing
