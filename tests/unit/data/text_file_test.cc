// text_file_test.cc - reading data files: lines, columns, UTF-8, and which examples a share chooses.
#include "plugtune/blocks/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <numeric>

#include "plugtune/blocks/random_parts.h"
#include "plugtune/error.h"
#include "support/temp_folder.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  LineReader reader(text);
  for (std::string_view line; reader.next(line);)
    lines.emplace_back(line);
  return lines;
}

std::string error_of_reading(const std::string& path) {
  try {
    TextFile file(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(LineReader, AcceptsBothLineBreaksAndAMissingLastOne) {
  EXPECT_THAT(lines_of("a\nb\r\n\nc"), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(lines_of("a\n"), ElementsAre("a"));
  EXPECT_THAT(lines_of(""), ElementsAre());
  EXPECT_THAT(lines_of("a\rb\n"), ElementsAre("a\rb"));
}

TEST(SplitColumns, KeepsEmptyOnes) {
  std::vector<std::string_view> columns;
  split_columns("a\t\tb\t", '\t', columns);
  EXPECT_THAT(columns, ElementsAre("a", "", "b", ""));
  split_columns("", '\t', columns);
  EXPECT_THAT(columns, ElementsAre(""));
}

TEST(FirstNonUtf8, FindsEveryKindOfBadByteAtAnyPlace) {
  const std::vector<std::string> good = {"", "a", "é", "영", "😀", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"};
  const std::vector<std::string> bad = {
      "\x80",         "\xC1\xBF",         "\xC2", "\xE0\x9F\xBF", "\xE3\x80", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
      "\xF0\x9F\x98", "\xF4\x90\x80\x80", "\xFF", "\xC2 ",        "\xE3\x80 "};
  for (size_t padding = 0; padding < 18; ++padding) {  // around the eight bytes that are looked at together
    const std::string before(padding, 'x');
    for (const std::string& text : good)
      EXPECT_EQ(first_non_utf8(before + text + "tail of the text"), std::string_view::npos) << padding << text;
    for (const std::string& text : bad) {
      EXPECT_EQ(first_non_utf8(before + text), padding);
      EXPECT_EQ(first_non_utf8(before + text + "tail of the text"), padding);
    }
  }
}

TEST(TextFile, APipeIsNotWaitedFor) {
  const TempFolder folder;
  const std::string path = folder.path("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(error_of_reading(path), path + ": must be a file, got a pipe or a device; write it to a file first");
}

TEST(TextFile, DropsTheByteOrderMarkAndCountsLines) {
  const TempFolder folder;
  const std::string path = folder.write("x.txt",
                                        "\xEF\xBB\xBF"
                                        "one\ntwo\nthree");
  const TextFile file(path);
  EXPECT_EQ(file.text(), "one\ntwo\nthree");
  EXPECT_EQ(file.place(0), path + ":1");
  EXPECT_EQ(file.place(file.text().find("two")), path + ":2");
  EXPECT_EQ(file.place(file.text().size()), path + ":3");
}

TEST(TextFile, KeepsWhatItReadWhenTheFileChanges) {
  const TempFolder folder;
  const TextFile file(folder.write("x.txt", "before\n"));
  folder.write("x.txt", "");
  EXPECT_EQ(file.text(), "before\n");
}

TEST(TextFile, SaysWhatIsInsteadOfTheFile) {
  const TempFolder folder;
  folder.write("b.csv", "x");
  folder.write("a.csv", "x");
  EXPECT_EQ(error_of_reading(folder.path("c.csv")),
            folder.path("c.csv") + ": not found; " + folder.path() + " has: a.csv, b.csv");
  EXPECT_EQ(error_of_reading(folder.path("d/c.csv")),
            folder.path("d/c.csv") + ": not found; " + folder.path("d") + " does not exist");
  EXPECT_EQ(error_of_reading(folder.path()),
            folder.path() + ": must be a file, got a folder; " + folder.path() + " has: a.csv, b.csv");
  EXPECT_EQ(error_of_reading("no/such.csv"), "no/such.csv: not found (working directory " +
                                                 std::filesystem::current_path().string() + "); no does not exist");
  for (int i = 0; i < 10; ++i)
    folder.write("file" + std::to_string(i), "x");
  EXPECT_EQ(folder_contents(folder.path()),
            folder.path() + " has: a.csv, b.csv, file0, file1, file2, file3, file4, file5 and 4 more");
}

TEST(FileProblems, TellsTheFirstFiveAndCountsTheRest) {
  const TempFolder folder;
  const TextFile file(folder.write("x", "a\nb\nc\nd\ne\nf\ng\n"));
  FileProblems problems(file);
  problems.throw_if_any();
  for (size_t line = 0; line < 7; ++line)
    problems.add(2 * line, "letter: must be a digit, got " + shown(file.text().substr(2 * line, 1)), "count");
  try {
    problems.throw_if_any();
    FAIL();
  } catch (const Error& error) {
    ASSERT_EQ(error.problems().size(), 6u);
    EXPECT_EQ(error.problems()[4], "letter: must be a digit, got 'e' (" + file.path() + ":5); count");
    EXPECT_EQ(error.problems()[5], "and 2 more problems in " + file.path());
  }
}

TEST(Shown, CutsBetweenCharactersAndShowsControlCharacters) {
  std::string korean;
  for (int i = 0; i < 50; ++i)
    korean += "영";
  std::string expected = "'";
  expected.append(korean, 0, 3 * 40).append("...'");
  EXPECT_EQ(shown(korean), expected);
  EXPECT_EQ(shown("a\tb\n\x01"), "'a\\tb\\n?'");
}

TEST(IsBlank, KnowsTheSpacesPeopleType) {
  EXPECT_TRUE(is_blank(""));
  EXPECT_TRUE(is_blank(" \t\r\n\xC2\xA0\xE3\x80\x80"));
  EXPECT_FALSE(is_blank("  영 "));
  EXPECT_FALSE(is_blank("\xC2"));
}

TEST(RandomParts, ChoosesExactSharesAndAGreaterShareKeepsASmallerOne) {
  const std::vector<uint8_t> parts = random_parts(1000, {0.1, 0.25}, 7);
  EXPECT_EQ(std::count(parts.begin(), parts.end(), 1), 100);
  EXPECT_EQ(std::count(parts.begin(), parts.end(), 2), 250);
  const std::vector<uint8_t> small = random_parts(1000, {0.1}, 7), great = random_parts(1000, {0.3}, 7);
  for (size_t i = 0; i < small.size(); ++i)
    EXPECT_LE(small[i], great[i]);
  EXPECT_NE(random_parts(1000, {0.1}, 8), small);
  EXPECT_EQ(random_parts(0, {0.5}, 0).size(), 0u);
  EXPECT_THAT(random_parts(3, {0.0}, 0), ElementsAre(0, 0, 0));
}

// The numbers are those of splitmix64 written out again in Python.
TEST(RandomParts, IsTheSameOnEveryMachine) {
  EXPECT_THAT(random_parts(8, {0.25, 0.25}, 42), ElementsAre(2, 0, 2, 0, 1, 0, 0, 1));
}

}  // namespace
}  // namespace plugtune::testing
