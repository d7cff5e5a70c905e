// tokenizer_golden_test.cc - the same ids as the reference: every code point, hand-made texts, random texts.
//
// tests/golden/tokenizer (see the README there) and reference.json, made by generate_reference.py in this folder.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temp_folder.h"
#include "text/files.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace plugtune::text {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

const std::filesystem::path kGolden = std::filesystem::path(PLUGTUNE_SOURCE_DIR) / "tests" / "golden" / "tokenizer";
constexpr int64_t kWhole = int64_t{1} << 30;

TokenizerOptions options_of(const Json& setting) {
  TokenizerOptions options{.lowercase = setting["do_lower_case"],
                           .tokenize_chinese_chars = setting["tokenize_chinese_chars"]};
  if (!setting["strip_accents"].is_null()) options.strip_accents = setting["strip_accents"].get<bool>();
  return options;
}

uint32_t crc32(std::string_view text) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char byte : text) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

/// Every code point as a piece that begins and one that continues a word: then ids tell what became of each character.
Vocabulary every_character() {
  Vocabulary vocabulary({"[UNK]", "[CLS]", "[SEP]"});
  vocabulary.reserve(2 * 0x110000, 12 * 0x110000);
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = to_utf8({&c, 1});
    vocabulary.add(text, vocabulary.size());
    vocabulary.add("##" + text, vocabulary.size());
  }
  return vocabulary;
}

/// The words that ids of every_character() stand for, separated by U+001F.
std::string words(const Tokenizer& tokenizer, const Ids& ids) {
  std::string out;
  for (size_t i = 1; i + 1 < ids.size(); ++i) {
    std::string_view token = tokenizer.token(ids[i]);
    if (token.size() > 2 && token.starts_with("##")) {
      token.remove_prefix(2);
    } else if (i > 1) {
      out += '\x1f';
    }
    out += token;
  }
  return out;
}

class EveryCodePoint : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryCodePoint, BetweenTwoLettersIsWhatTheReferenceMakesOfIt) {
  const std::string setting = GetParam();
  static const Vocabulary vocabulary = every_character();
  const Json texts = Json::parse(read_text_file(kGolden / "texts.json"));
  const Tokenizer tokenizer(vocabulary, options_of(texts["settings"][setting]), {.special_tokens_in_text = false});
  std::ifstream file(kGolden / ("codepoints." + setting + ".crc32"), std::ios::binary);
  std::array<unsigned char, 4 * 4352> expected{};
  file.read(reinterpret_cast<char*>(expected.data()), expected.size());
  ASSERT_TRUE(file);

  for (char32_t block = 0; block < 4352; ++block) {
    if (block >= 0xD8 && block <= 0xDF) continue;
    std::string lines;
    for (char32_t c = block << 8; c < (block + 1) << 8; ++c) {
      if ((c & 0xFF) != 0) lines += '\n';
      lines += words(tokenizer, tokenizer.encode(to_utf8(std::u32string{U'a', c, U'b'}), kWhole).ids);
    }
    const unsigned char* bytes = &expected[4 * block];
    const uint32_t value = bytes[0] | bytes[1] << 8 | bytes[2] << 16 | static_cast<uint32_t>(bytes[3]) << 24;
    EXPECT_EQ(crc32(lines), value) << "see: python tests/golden/generate_tokenizer.py --show " << setting << " "
                                   << std::hex << static_cast<uint32_t>(block) << "; ours:\n"
                                   << lines;
  }
}

INSTANTIATE_TEST_SUITE_P(Reference, EveryCodePoint,
                         ::testing::Values("cased", "uncased", "cased_no_chinese", "uncased_no_chinese", "lower_only",
                                           "strip_only"),
                         [](const auto& info) { return std::string(info.param); });

void expect_same(const Tokenizer& tokenizer, const TextPair& texts, int64_t max_length, const Json& wanted,
                 const std::string& name) {
  const Encoding e = tokenizer.encode(texts, max_length == 0 ? kWhole : max_length);
  EXPECT_EQ(e.ids, wanted["ids"].get<Ids>()) << name << " " << wanted;
  EXPECT_EQ(e.types(), wanted["types"].get<std::vector<uint8_t>>()) << name << " " << wanted;
}

TEST(TokenizerGolden, HandMadeTextsHaveTheIdsOfTheReference) {
  const Json golden = Json::parse(read_text_file(kGolden / "texts.json"));
  const Vocabulary vocabulary = Vocabulary::load(kGolden / golden["vocab"].get<std::string>());
  for (const auto& [name, setting] : golden["settings"].items()) {
    for (const bool special : {true, false}) {
      const Tokenizer tokenizer(vocabulary, options_of(setting), {.special_tokens_in_text = special});
      for (const Json& wanted : golden["cases"]) {
        if (wanted["setting"] != name || wanted["special_tokens_in_text"] != special) continue;
        const std::string a = wanted["text_a"], b = wanted["text_b"].is_null() ? "" : wanted["text_b"];
        const TextPair texts = wanted["text_b"].is_null() ? TextPair{a} : TextPair{a, b};
        expect_same(tokenizer, texts, wanted["max_length"], wanted, name);
      }
    }
  }
}

TEST(TokenizerGolden, RandomTextsHaveTheIdsOfTheReference) {
  const Json golden =
      Json::parse(read_text_file(std::filesystem::path(PLUGTUNE_SOURCE_DIR) / "tests/unit/text/reference.json"));
  for (const Json& set : golden["sets"]) {
    const testing::TempFolder folder, copy;
    folder.write("tokenizer.json", set["tokenizer"].dump());
    const Tokenizer tokenizer = Tokenizer::load(folder.path());
    tokenizer.save(copy.path());
    const Tokenizer copied = Tokenizer::load(copy.path());
    for (const Json& wanted : set["cases"]) {
      const std::vector<std::string> texts = wanted["texts"];
      const TextPair pair = texts.size() == 1 ? TextPair{texts[0]} : TextPair{texts[0], texts[1]};
      expect_same(tokenizer, pair, wanted["max_length"], wanted, set["name"]);
      expect_same(copied, pair, wanted["max_length"], wanted, set["name"].get<std::string>() + ", saved");
    }
  }
}

}  // namespace
}  // namespace plugtune::text
