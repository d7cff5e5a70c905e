// unicode_test.cc - characters and UTF-8. What the reference says of every code point is in tokenizer_golden_test.cc.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "text/code_point_map.h"
#include "text/normalizer.h"
#include "text/unicode.h"

namespace plugtune::text {
namespace {

TEST(Unicode, CategoriesAreThoseOfUnicode8) {
  EXPECT_TRUE(is_punctuation(0x166D));      // a symbol since 12.0
  EXPECT_TRUE(is_punctuation(0x111C9));     // a mark since 11.0
  EXPECT_FALSE(is_punctuation(0x61D));      // assigned in 14.0
  EXPECT_FALSE(is_punctuation(0x2E43));     // assigned in 9.0
  EXPECT_FALSE(is_nonspacing_mark(0x7FD));  // assigned in 11.0
  EXPECT_TRUE(is_nonspacing_mark(0x301));
  EXPECT_TRUE(is_punctuation('$') && is_punctuation('~') && !is_punctuation('a') && !is_punctuation(0x20AC));
}

TEST(Unicode, ControlCharactersAreDroppedExceptTabAndLineEnds) {
  EXPECT_TRUE(is_control(0) && is_control(0x7F) && is_control(0xFFFD) && is_control(0xE000) && is_control(0xFEFF));
  EXPECT_FALSE(is_control('\t') || is_control('\n') || is_control('\r') || is_control(' ') || is_control(0x378));
}

TEST(Unicode, IdeographsOfTheReferenceLeaveOutWhatItLeavesOut) {
  EXPECT_TRUE(is_cjk(0x4E00) && is_cjk(0x9FFF) && is_cjk(0x2B920) && is_cjk(0x2FA1F));
  EXPECT_FALSE(is_cjk(0x2B820));  // the reference's constant begins extension E at 2B920
  EXPECT_FALSE(is_cjk(0xAC00) || is_cjk(0x3042) || is_cjk(0x1100));
}

TEST(Unicode, HangulDecomposesToTwoOrThreeJamo) {
  std::u32string out;
  append_decomposition(U'가', out);
  append_decomposition(U'한', out);
  EXPECT_EQ(out, U"\u1100\u1161\u1112\u1161\u11AB");
}

TEST(Unicode, LowerCaseIsOfOneCharacterByItself) {
  std::u32string out;
  for (const char32_t c : std::u32string(U"A\u0130\u03A3\u01C4\u0178z"))
    append_lower_case(c, out);
  EXPECT_EQ(out, U"ai\u0307\u03C3\u01C6\u00FFz");
}

TEST(Unicode, Utf8IsReadStrictlyAndNamesTheFirstBadByte) {
  const struct {
    std::string text;
    size_t at;
  } cases[] = {
      {"", std::string::npos},
      {"a\xEA\xB0\x80z", std::string::npos},
      {"\xF4\x8F\xBF\xBF", std::string::npos},  // U+10FFFF
      {"ab\xFF", 2},
      {"ab\x80", 2},            // a following byte alone
      {"a\xC0\x80", 1},         // overlong NUL
      {"\xE0\x9F\xBF", 0},      // overlong
      {"\xF0\x8F\xBF\xBF", 0},  // overlong
      {"\xED\xA0\x80", 0},      // a surrogate
      {"\xF4\x90\x80\x80", 0},  // above U+10FFFF
      {"\xF5\x80\x80\x80", 0},
      {"abc\xEA\xB0", 3},  // cut off
      {"abc\xF0\x9F\x98", 3},
      {"\xC3(", 0},
  };
  for (const auto& c : cases)
    EXPECT_EQ(first_non_utf8(c.text), c.at) << ::testing::PrintToString(c.text);
}

TEST(Unicode, EveryCharacterSurvivesUtf8) {
  std::u32string all;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c < 0xD800 || c > 0xDFFF) all += c;
  }
  EXPECT_TRUE(to_utf32(to_utf8(all)) == all);
}

TEST(CodePointMap, KeepsWhatIsSetApartFromWhatIsFilled) {
  CodePointMap map(7);
  map.fill(100, 1000, 8);
  map.set(500, 9);
  map.set(0x10FFFF, 10);
  for (const auto& [c, value] : {std::pair<char32_t, uint32_t>{99, 7},
                                 {100, 8},
                                 {499, 8},
                                 {500, 9},
                                 {501, 8},
                                 {564, 8},
                                 {1000, 8},
                                 {1001, 7},
                                 {0x10FFFE, 7},
                                 {0x10FFFF, 10}}) {
    EXPECT_EQ(map[c], value) << static_cast<uint32_t>(c);
  }
}

TEST(Normalizer, MarksThatAreKeptAreSortedByTheirClass) {
  const NormalizerOptions strip{
      .clean_text = false, .tokenize_chinese_chars = false, .strip_accents = true, .lowercase = false};
  // U+302E (class 224) and U+1D165 (216) are kept, U+0301 (230) is dropped, U+034F is dropped but keeps them apart.
  EXPECT_EQ(normalize(U"a\u302E\u0301\U0001D165b", strip), U"a\U0001D165\u302Eb");
  EXPECT_EQ(normalize(U"a\u302E\u034F\U0001D165b", strip), U"a\u302E\U0001D165b");
}

TEST(Normalizer, NfcComposesWhatWasTakenApart) {
  EXPECT_EQ(compose_nfc("\u1112\u1161\u11AB cafe\u0301"), "한 café");
  EXPECT_EQ(compose_nfc("한글 abc"), "한글 abc");
  EXPECT_EQ(compose_nfc(std::string_view("a\0\u1100\u1161", 8)), std::string("a\0\uAC00", 5));
  EXPECT_EQ(compose_nfc(""), "");
}

}  // namespace
}  // namespace plugtune::text
