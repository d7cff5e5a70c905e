// wordpiece_test.cc - vocabularies and greedy longest match.
#include "text/wordpiece.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "plugtune/error.h"
#include "support/temp_folder.h"
#include "text/unicode.h"
#include "text/vocabulary.h"

namespace plugtune::text {
namespace {

std::vector<int32_t> match(const WordPiece& pieces, std::string_view word) {
  std::vector<WordPiece::Symbol> symbols;
  for (const char32_t c : to_utf32(word))
    symbols.push_back(pieces.symbol(c));
  std::vector<int32_t> ids(symbols.size());
  ids.resize(static_cast<size_t>(pieces.match(symbols.data(), symbols.size(), ids.data()) - ids.data()));
  return ids;
}

TEST(Vocabulary, ReadsOneTokenPerLineWithAnyLineEnd) {
  const testing::TempFolder folder;
  const Vocabulary v = Vocabulary::load(folder.write("vocab.txt", "[PAD]\r\na \n영화\u3000\n\n##b"));
  EXPECT_EQ(v.size(), 5);
  EXPECT_EQ(v.id("[PAD]"), 0);
  EXPECT_EQ(v.id("a"), 1);
  EXPECT_EQ(v.id("영화"), 2);
  EXPECT_EQ(v.id(""), 3);
  EXPECT_EQ(v.id("##b"), 4);
  EXPECT_EQ(v.id("b"), std::nullopt);
  EXPECT_EQ(v.token(2), "영화");
}

TEST(Vocabulary, OfEqualLinesTheLastCounts) {
  const Vocabulary v({"a", "b", "a", "c"});
  EXPECT_EQ(v.id("a"), 2);
  EXPECT_FALSE(v.has(0));
  EXPECT_EQ(v.token(0), "");
  EXPECT_EQ(v.size(), 4);
  EXPECT_EQ(v.tokens(), 3u);
}

TEST(Vocabulary, NamesTheLineThatIsNotUtf8) {
  const testing::TempFolder folder;
  const std::string file = folder.write("vocab.txt", "[PAD]\n[UNK]\nab\xB0\xA1\n");
  try {
    Vocabulary::load(file);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), file + ": is not UTF-8 at byte 14, got 0xB0 (" + file + ":3)");
  }
}

TEST(Vocabulary, NamesTheFileThatIsNotThere) {
  try {
    Vocabulary::load("no/such/vocab.txt");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no/such/vocab.txt: cannot be read: No such file or directory");
  }
}

TEST(WordPiece, TakesTheLongestPieceAndGoesOnBehindIt) {
  const WordPiece pieces(Vocabulary({"[UNK]", "un", "##aff", "##able", "una", "##ffa", "##ble", "##a", "영화", "##가"}),
                         "##", 0);
  EXPECT_EQ(match(pieces, "unaffable"), (std::vector<int32_t>{4, 5, 6}));
  EXPECT_EQ(match(pieces, "unaff"), (std::vector<int32_t>{0}));  // una, then no ##ff: greedy does not go back to un
  EXPECT_EQ(match(pieces, "unaa"), (std::vector<int32_t>{4, 7}));
  EXPECT_EQ(match(pieces, "영화가"), (std::vector<int32_t>{8, 9}));
  EXPECT_EQ(match(pieces, "영가"), (std::vector<int32_t>{0}));
  EXPECT_EQ(match(pieces, "unaz"), (std::vector<int32_t>{0}));
}

TEST(WordPiece, ThePrefixAloneContinuesNothing) {
  const WordPiece pieces(Vocabulary({"[UNK]", "a", "##", "###"}), "##", 0);
  EXPECT_EQ(match(pieces, "a#"), (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(match(pieces, "#"), (std::vector<int32_t>{0}));
}

// The reference's own loop: all ends from the longest on, by text.
std::vector<int32_t> slow_match(const Vocabulary& vocabulary, const std::u32string& word) {
  std::vector<int32_t> ids;
  for (size_t begin = 0, end; begin < word.size(); begin = end) {
    std::optional<int64_t> id;
    for (end = word.size(); end > begin; --end) {
      id = vocabulary.id((begin > 0 ? "##" : "") + to_utf8(std::u32string_view(word).substr(begin, end - begin)));
      if (id) break;
    }
    if (!id) return {0};
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

TEST(WordPiece, EqualsTheReferenceLoopOnRandomVocabularies) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    const auto letters = [&](size_t most, size_t alphabet) {
      std::u32string text;
      for (size_t n = 1 + random() % most; n > 0; --n)
        text += U'가' + static_cast<char32_t>(random() % alphabet);
      return text;
    };
    const size_t alphabet = 2 + seed * seed;  // narrow: deep tries; wide: blocks of many slots
    std::vector<std::string> tokens = {"[UNK]"};
    for (int i = 0; i < 800; ++i)
      tokens.push_back((random() % 2 ? "##" : "") + to_utf8(letters(1 + seed % 6, alphabet)));
    const Vocabulary vocabulary(tokens);
    const WordPiece pieces(vocabulary, "##", 0);
    for (int i = 0; i < 500; ++i) {
      const std::u32string word = letters(9, alphabet + 1);
      ASSERT_EQ(match(pieces, to_utf8(word)), slow_match(vocabulary, word)) << "seed " << seed << ", " << to_utf8(word);
    }
  }
}

}  // namespace
}  // namespace plugtune::text
