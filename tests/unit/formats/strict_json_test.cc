// strict_json_test.cc - JSON that means two things, or nothing, is refused with its place.
#include "formats/strict_json.h"

#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

TEST(StrictJson, ReadsWhatIsFine) {
  const auto json = parse_json("{\"a\": [1, {\"b\": \"\xED\x95\x9C\"}], \"b\": {\"b\": 1e-12}}  ", "x.json");
  EXPECT_EQ(json["a"][1]["b"], "한");
  EXPECT_EQ(json["b"]["b"], 1e-12);
}

TEST(StrictJson, KeepsTheKeysInTheirOrder) {
  EXPECT_EQ(parse_json(R"({"b": {"z": 1, "a": 2}, "a": 3})", "x.json").dump(), R"({"b":{"z":1,"a":2},"a":3})");
}

TEST(StrictJson, RefusesWithThePlace) {
  struct Case {
    std::string text, message;
  };
  const Case cases[] = {
      {"", "x.json: is not JSON: value - unexpected end of input; expected '[', '{', or a literal (line 1, column 1)"},
      {"{\n  \"a\": 1,\n  \"b\" 2\n}",
       "x.json: is not JSON: object separator - unexpected number literal; expected ':' (line 3, column 7)"},
      {"{\"a\": 1", "x.json: is not JSON: object - unexpected end of input; expected '}' (line 1, column 8)"},
      {"{\"a\": \"\xff\"}", "x.json: is not JSON: value - invalid string: ill-formed UTF-8 byte (line 1, column 8)"},
      {"{\"a\": 1e999}", "x.json: is not JSON: number overflow parsing '1e999'"},
      {"{\"a\": 1, \"b\": {\"a\": 2}, \"a\": 3}", "x.json: has the key 'a' twice"},
      {"{\"a\": [{\"b\": 1, \"b\": 1}]}", "x.json: has the key 'b' twice"},
      {std::string(70, '['), "x.json: is nested deeper than 64 levels"},
      {std::string(1'000'000, '['), "x.json: is nested deeper than 64 levels"},
  };
  const Scratch scratch;
  for (const Case& c : cases)
    EXPECT_EQ(error_of(scratch, [&] { parse_json(c.text, "x.json"); }), c.message);
}

TEST(StrictJson, AFileMayNotBeAnyLength) {
  const Scratch scratch;
  const auto path = scratch.file("x.json", std::string(2000, ' '));
  EXPECT_EQ(error_of(scratch, [&] { read_text(path, 1000); }),
            "SCRATCH/x.json: is too large to be what its name says: 2.0 kB, at most 1.0 kB");
  EXPECT_EQ(error_of(scratch, [&] { read_text(scratch / "y.json"); }), "SCRATCH/y.json: not found");
}

TEST(StrictJson, FindsTheLineOfAKeyOfTheOutermostObjectOnly) {
  const std::string text = "{\n\"a\": {\n\"b\": 1},\n\"c\": \"b\",\n\"\\\"b\": 2,\n\"b\" : 3}";
  EXPECT_EQ(line_of_key(text, "a"), 2);
  EXPECT_EQ(line_of_key(text, "b"), 6);
  EXPECT_EQ(line_of_key(text, "d"), 0);
}

}  // namespace
}  // namespace plugtune::formats
