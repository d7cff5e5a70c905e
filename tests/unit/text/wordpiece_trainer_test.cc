// wordpiece_trainer_test.cc - the same words and the same vocabulary as the reference's trainer.
//
// tests/golden/wordpiece_trainer, made by generate_wordpiece.py, which says how the reference is made to answer the same each time.
#include "text/wordpiece_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "plugtune/error.h"
#include "text/files.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace plugtune::text {
namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

const std::filesystem::path kGoldenFolder = std::filesystem::path(PLUGTUNE_SOURCE_DIR) / "tests" / "golden";

NormalizerOptions cased() { return {.strip_accents = false, .lowercase = false}; }

WordCounts count(const std::vector<std::string>& texts, const NormalizerOptions& options, int threads = 0) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return count_words(views, options, threads);
}

/// Texts of the tokenizer's goldens, as the generator takes them.
std::vector<std::string> tricky_texts() {
  const Json cases = Json::parse(read_text_file(kGoldenFolder / "tokenizer" / "texts.json"))["cases"];
  std::vector<std::string> texts;
  std::set<std::string> known;
  for (const Json& one : cases) {
    if (known.insert(one["text_a"]).second) texts.push_back(one["text_a"]);
  }
  for (size_t i = 0, count = texts.size(); i < count; ++i)
    texts.push_back(texts[i] + "a");
  return texts;
}

std::vector<std::string> sample() {
  return {read_text_file(std::filesystem::path(PLUGTUNE_SOURCE_DIR) / "datasets" / "text" / "sample" / "train.txt")};
}

Words words_of(WordSplitter& splitter, std::string_view text) {
  const auto& words = splitter.split(text);
  return {words.begin(), words.end()};
}

TEST(WordPieceTrainer, GivesTheReferencesVocabulary) {
  const Json about = Json::parse(read_text_file(kGoldenFolder / "wordpiece_trainer" / "case.json"));
  ASSERT_EQ(about["cases"].size(), 3u);
  for (const auto& [name, settings] : about["cases"].items()) {
    const bool lower = settings["lower_case"];
    const auto texts = settings["text"] == "sample" ? sample() : tricky_texts();
    WordPieceTraining training;
    training.size = settings["size"];
    training.min_frequency = settings["min_frequency"];
    training.alphabet_limit = settings["alphabet_limit"];
    const auto trained = train_wordpiece(count(texts, {.strip_accents = lower, .lowercase = lower}), training);
    std::string lines;
    for (const std::string& token : trained.tokens)
      lines += token + "\n";
    EXPECT_EQ(lines, read_text_file(kGoldenFolder / "wordpiece_trainer" / (name + ".txt"))) << name;
  }
}

TEST(WordPieceTrainer, DoesNotDependOnThreadsNorOnTheOrderOfTheTexts) {
  std::vector<std::string> texts = tricky_texts();
  for (int i = 0; i < 4; ++i)
    texts.push_back(sample().front());
  const auto once = train_wordpiece(count(texts, cased(), 1), {.size = 2000}).tokens;
  std::ranges::shuffle(texts, std::mt19937(1));
  EXPECT_EQ(train_wordpiece(count(texts, cased(), 3), {.size = 2000}).tokens, once);
}

TEST(WordPieceTrainer, SplitsAsTheTokenizerDoes) {
  // A vocabulary that knows every word of a text whole, and no part of it.
  for (const bool lower : {false, true}) {
    WordSplitter splitter({.strip_accents = lower, .lowercase = lower});
    for (const std::string& text : tricky_texts()) {
      const Words words = words_of(splitter, text);
      std::vector<std::string> tokens{"[UNK]", "[CLS]", "[SEP]"};
      tokens.insert(tokens.end(), words.begin(), words.end());
      TokenizerOptions options;
      options.lowercase = lower;
      options.max_input_chars_per_word = 1000;
      const Tokenizer tokenizer(Vocabulary(tokens), options, {/*special_tokens_in_text=*/false});
      const Encoding encoding = tokenizer.encode(text, 1 << 20);
      ASSERT_EQ(encoding.ids.size(), words.size() + 2) << text;
      for (size_t i = 0; i < words.size(); ++i)
        EXPECT_EQ(tokenizer.token(encoding.ids[i + 1]), words[i]) << text;
    }
  }
}

TEST(WordPieceTrainer, SplitsEveryCharacterAsNormalizingTheWholeTextDoes) {
  for (const bool lower : {false, true}) {
    const NormalizerOptions options{.strip_accents = lower, .lowercase = lower};
    WordSplitter splitter(options);
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      const std::u32string text{U'a', c, U'B'};
      Words expected{""};
      for (const char32_t letter : normalize(text, options)) {
        const bool alone = is_punctuation(letter), space = is_whitespace(letter);
        if ((alone || space) && !expected.back().empty()) expected.emplace_back();
        if (!space) expected.back() += to_utf8({&letter, 1});
        if (alone) expected.emplace_back();
      }
      if (expected.back().empty()) expected.pop_back();
      ASSERT_EQ(words_of(splitter, to_utf8(text)), expected) << std::hex << uint32_t{c};
    }
  }
}

TEST(WordPieceTrainer, TellsWhatTheLimitLeavesOut) {
  const auto trained = train_wordpiece(count({"aa aa ab\nba b c"}, cased()), {.size = 20, .alphabet_limit = 2});
  EXPECT_EQ(trained.characters, 3);
  EXPECT_EQ(trained.kept_characters, 2);
  EXPECT_EQ(trained.words, 6);
  EXPECT_EQ(trained.unknown_words, 1);
  EXPECT_EQ(trained.tokens, (Words{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b", "aa"}));
}

TEST(WordPieceTrainer, BreaksTiesByTheSmallerIds) {
  // ab, cd and ca are equally frequent: (a, ##b) has the smallest ids, then (c, ##a), then (c, ##d).
  const Words special{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  const auto trained = train_wordpiece(count({"cd cd ab ab ca ca"}, cased()), {.size = 100});
  EXPECT_EQ(Words(trained.tokens.end() - 3, trained.tokens.end()), (Words{"ab", "ca", "cd"}));
}

std::string message_of(const WordCounts& words, const WordPieceTraining& training) {
  try {
    train_wordpiece(words, training);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(WordPieceTrainer, RefusesASizeBelowTheCharacters) {
  const WordCounts words = count({"ab ba c"}, cased());
  EXPECT_EQ(message_of(words, {.size = 9}),
            "size: must be at least 10 for 5 special tokens and 3 characters, alone and behind ##, got 9");
  EXPECT_EQ(message_of(words, {.size = 10}), "");
}

TEST(WordPieceTrainer, CountsWordsOfSeveralTextsAndRefusesWhatIsNotUtf8) {
  EXPECT_EQ(count({"a b\r\na", "", "b.", "\n\n"}, cased()), (WordCounts{{"a", 2}, {"b", 2}, {".", 1}}));
  EXPECT_THROW(count({"a\xFF"}, cased()), Error);
}

}  // namespace
}  // namespace plugtune::text
