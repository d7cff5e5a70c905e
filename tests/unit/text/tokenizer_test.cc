// tokenizer_test.cc - encoding: special tokens, truncation, threads, errors.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "plugtune/error.h"
#include "text/unicode.h"

namespace plugtune::text {
namespace {

using Ids = std::vector<int32_t>;

const std::vector<std::string> kTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##b", "c", "영화",
                                          "##가",  "한",    "中",    ".",     "[",      "]", "e", "sep", "d", "i"};

Tokenizer tokenizer(TokenizerOptions options = {}, TextOptions text = {}) {
  return Tokenizer(Vocabulary(kTokens), std::move(options), text);
}

template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Tokenizer, PutsClsAndSepAroundTheTexts) {
  EXPECT_EQ(tokenizer().encode("a ab", 10).ids, (Ids{2, 5, 5, 7, 3}));
  const Encoding pair = tokenizer().encode("a", "b c", 10);
  EXPECT_EQ(pair.ids, (Ids{2, 5, 3, 6, 8, 3}));
  EXPECT_EQ(pair.types(), (std::vector<uint8_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(tokenizer().encode("", 10).ids, (Ids{2, 3}));
  EXPECT_EQ(tokenizer().encode("", "", 10).ids, (Ids{2, 3, 3}));
}

TEST(Tokenizer, CountsWordsAndUnknownOnesOfTheWholeText) {
  const Encoding e = tokenizer({.lowercase = false}).encode("영화가 zz . 中 a[SEP]z", 4);
  EXPECT_EQ(e.words, 7);  // 영화가, zz, ., 中, a, [SEP], z
  EXPECT_EQ(e.unknown, 2);
  EXPECT_TRUE(e.truncated);
  EXPECT_EQ(e.ids, (Ids{2, 9, 10, 3}));
}

TEST(Tokenizer, LiteralSpecialTokensAreSpecialUnlessTurnedOff) {
  EXPECT_EQ(tokenizer().encode("a[SEP]b [sep]", 20).ids, (Ids{2, 5, 3, 6, 14, 17, 15, 3}));
  const TextOptions off{.special_tokens_in_text = false};
  EXPECT_EQ(tokenizer({}, off).encode("a[SEP]b", 20).ids, (Ids{2, 5, 14, 17, 15, 6, 3}));
}

TEST(Tokenizer, AddedTokensThatAreNotSpecialAreFoundEitherWay) {
  TokenizerOptions options;
  options.added_tokens = {{.content = "new", .id = 50}};
  EXPECT_EQ(tokenizer(options, {.special_tokens_in_text = false}).encode("anewb", 20).ids, (Ids{2, 5, 50, 6, 3}));
  EXPECT_EQ(tokenizer(options).size(), 51);
  EXPECT_EQ(tokenizer(options).token(50), "new");
}

TEST(Tokenizer, DecomposedHangulIsUnknownUnlessComposedFirst) {
  const std::string decomposed = "\u1112\u1161\u11AB";
  const TokenizerOptions cased{.lowercase = false};
  EXPECT_EQ(tokenizer(cased).encode(decomposed, 9).ids, (Ids{2, 1, 3}));
  EXPECT_EQ(tokenizer(cased, {.normalize_nfc = true}).encode(decomposed, 9).ids, (Ids{2, 11, 3}));
}

TEST(Tokenizer, WordsOfMoreThanTheLongestAreUnknown) {
  TokenizerOptions options;
  options.max_input_chars_per_word = 3;
  EXPECT_EQ(tokenizer(options).encode("abb abbb abbbbbbbbbbbbb ab", 20).ids, (Ids{2, 5, 7, 7, 1, 1, 5, 7, 3}));
}

TEST(Tokenizer, LongTextsOfManyWordsAreWhole) {
  std::string text;
  Ids expected = {2};
  for (int i = 0; i < 5000; ++i) {
    text += i % 3 == 0 ? "ab " : i % 3 == 1 ? "." : std::string(150, 'b') + " ";
    if (i % 3 == 0) expected.insert(expected.end(), {5, 7});
    if (i % 3 == 1) expected.push_back(13);
    if (i % 3 == 2) expected.push_back(1);
  }
  expected.push_back(3);
  EXPECT_EQ(tokenizer().encode(text, 1 << 20).ids, expected);
}

// The rule, written as it is told: with f places free, the shorter text (the first when equal) keeps at most half.
TEST(Tokenizer, TruncationOfPairsKeepsTheShorterText) {
  const Tokenizer t = tokenizer();
  const auto text = [](char c, int64_t n) {
    std::string out;
    for (; n > 0; --n)
      out += {c, ' '};
    return out;
  };
  for (int64_t a = 0; a <= 7; ++a) {
    for (int64_t b = 0; b <= 7; ++b) {
      for (int64_t max_length = 3; max_length <= 18; ++max_length) {
        const int64_t free = max_length - 3;
        int64_t a_kept = a, b_kept = b;
        if (a + b > free) {
          if (a <= b) {
            a_kept = std::min(a, free / 2), b_kept = free - a_kept;
          } else {
            b_kept = std::min(b, free / 2), a_kept = free - b_kept;
          }
        }
        Ids expected = {2};
        expected.insert(expected.end(), static_cast<size_t>(a_kept), 5);
        expected.push_back(3);
        expected.insert(expected.end(), static_cast<size_t>(b_kept), 8);
        expected.push_back(3);
        const Encoding e = t.encode(text('a', a), text('c', b), max_length);
        ASSERT_EQ(e.ids, expected) << a << " " << b << " " << max_length;
        ASSERT_EQ(e.first_length, a_kept + 2);
        ASSERT_EQ(e.truncated, a + b > free);
      }
    }
  }
}

std::vector<std::string> random_texts(size_t count, unsigned seed) {
  const std::vector<std::string> parts = {
      "a",      "ab", "영화", "가", "zz", " ", " ", ".", "[SEP]", "中", "é", "e\u0301", "\u302E\U0001D165",
      "\u0130", "한", "\t"};
  std::mt19937 random(seed);
  std::vector<std::string> texts(count);
  for (std::string& text : texts) {
    for (size_t n = random() % 30; n > 0; --n)
      text += parts[random() % parts.size()];
  }
  return texts;
}

TEST(Tokenizer, AnyNumberOfThreadsGivesWhatOneTextAtATimeGives) {
  const std::vector<std::string> texts = random_texts(20000, 7);
  std::vector<TextPair> pairs;
  for (size_t i = 0; i < texts.size(); ++i) {
    pairs.push_back({texts[i], i % 2 ? std::optional<std::string_view>(texts[texts.size() - 1 - i]) : std::nullopt});
  }
  const Tokenizer t = tokenizer();
  const EncodedTexts one = t.encode_all(pairs, 16, 1);
  int64_t words = 0, unknown = 0, truncated = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const Encoding e = t.encode(pairs[i], 16);
    ASSERT_EQ(Ids(one[i].begin(), one[i].end()), e.ids) << i;
    ASSERT_EQ(one.first_lengths[i], e.first_length);
    words += e.words, unknown += e.unknown, truncated += e.truncated;
  }
  EXPECT_EQ(one.size(), texts.size());
  EXPECT_EQ(one.words, words);
  EXPECT_EQ(one.unknown, unknown);
  EXPECT_EQ(one.truncated, truncated);
  for (const int threads : {2, 3, 8, 0}) {
    const EncodedTexts many = t.encode_all(pairs, 16, threads);
    EXPECT_TRUE(many.ids == one.ids && many.offsets == one.offsets && many.first_lengths == one.first_lengths)
        << threads;
    EXPECT_TRUE(many.words == one.words && many.unknown == one.unknown && many.truncated == one.truncated &&
                many.longest == one.longest)
        << threads;
  }
}

TEST(Tokenizer, NoTextsGiveNoExamples) {
  const EncodedTexts none = tokenizer().encode_all({}, 16);
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(none.offsets, std::vector<int64_t>{0});
}

TEST(Tokenizer, RandomBytesAreEncodedOrRefused) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    TokenizerOptions options{.clean_text = seed % 2 == 0, .lowercase = seed % 3 == 0};
    options.added_tokens = {{.content = "\xEA\xB0\x80", .id = 40, .single_word = true, .lstrip = true, .rstrip = true},
                            {.content = "é", .id = 41, .normalized = seed % 5 == 0}};
    const Tokenizer t = tokenizer(options, {.normalize_nfc = seed % 4 == 0});
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      for (size_t n = random() % 24; n > 0; --n)
        text += static_cast<char>(random() % (i % 2 ? 256 : 128) + (i % 3 ? 0 : 64));
      const size_t bad = first_non_utf8(text);
      if (bad == std::string::npos) {
        const Encoding e = t.encode(text, 12);
        ASSERT_TRUE(e.ids.size() >= 2 && e.ids.size() <= 12) << "seed " << seed;
      } else {
        ASSERT_TRUE(
            error_of([&] { t.encode(text, 12); }).starts_with("text: is not UTF-8 at byte " + std::to_string(bad)))
            << "seed " << seed << ", " << ::testing::PrintToString(text);
      }
    }
  }
}

TEST(Tokenizer, TextThatIsNotUtf8IsNamedWithItsByte) {
  const Tokenizer t = tokenizer();
  EXPECT_EQ(error_of([&] { t.encode("ab\xB0\xA1", 8); }),
            "text: is not UTF-8 at byte 2, got 0xB0; save the data as UTF-8");
  EXPECT_EQ(error_of([&] { t.encode("ab", "c\xFF", 8); }),
            "second text: is not UTF-8 at byte 1, got 0xFF; save the data as UTF-8");
}

TEST(Tokenizer, TheFirstBadExampleIsReportedWhateverTheThreads) {
  std::vector<TextPair> texts(50000, {"a b c 영화가 a b c 영화가"});
  texts[49000].a = texts[31000].a = "\xFE";
  for (const int threads : {1, 2, 8}) {
    const auto name_of = [](size_t i) { return "train.txt:" + std::to_string(i + 2); };
    EXPECT_EQ(error_of([&] { tokenizer().encode_all(texts, 8, threads, name_of); }),
              "train.txt:31002: is not UTF-8 at byte 0, got 0xFE; save the data as UTF-8");
  }
  texts[30000] = {"a", "b\xFE"};
  EXPECT_EQ(error_of([&] { tokenizer().encode_all(texts, 8); }),
            "example 30001, second text: is not UTF-8 at byte 1, got 0xFE; save the data as UTF-8");
}

TEST(Tokenizer, MaxLengthMustHoldTheSpecialTokens) {
  EXPECT_EQ(error_of([] { tokenizer().encode("a", 1); }), "max_length: must be at least 2 ([CLS] and [SEP]), got 1");
  EXPECT_EQ(error_of([] { tokenizer().encode("a", "b", 2); }),
            "max_length: must be at least 3 for pairs ([CLS] A [SEP] B [SEP]), got 2");
  EXPECT_EQ(tokenizer().encode("a", 2).ids, (Ids{2, 3}));
  EXPECT_EQ(tokenizer().encode("a", "b", 3).ids, (Ids{2, 3, 3}));
}

TEST(Tokenizer, NeedsTheTokensItPutsIn) {
  EXPECT_EQ(error_of([] {
              Tokenizer(Vocabulary({"[PAD]", "[UNK]", "a"}), {}, {}, "models/x/vocab.txt");
            }),
            "models/x/vocab.txt: expected a BERT vocabulary with the tokens '[UNK]', '[CLS]' and '[SEP]', got 3 tokens "
            "without '[CLS]', '[SEP]'");
}

TEST(Tokenizer, KnowsItsSpecialTokens) {
  const Tokenizer t = tokenizer();
  EXPECT_EQ(t.pad_id(), 0);
  EXPECT_EQ(t.mask_id(), 4);
  EXPECT_TRUE(t.is_special(2) && t.is_special(4) && !t.is_special(5));
  EXPECT_EQ(Tokenizer(Vocabulary({"[UNK]", "[CLS]", "[SEP]"}), {}).mask_id(), std::nullopt);
}

}  // namespace
}  // namespace plugtune::text
