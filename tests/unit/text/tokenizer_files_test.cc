// tokenizer_files_test.cc - tokenizers out of model directories and back, and what is refused.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "plugtune/error.h"
#include "support/temp_folder.h"
#include "text/files.h"
#include "text/tokenizer.h"

namespace plugtune::text {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;
using plugtune::testing::TempFolder;

constexpr const char* kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nA\n##b\né\ne\n中\n中中\n";

/// A tokenizer.json of the same vocabulary.
Json bert_json() {
  const auto special = [](const char* id, int type) { return Json{{"SpecialToken", {{"id", id}, {"type_id", type}}}}; };
  const auto text = [](const char* id, int type) { return Json{{"Sequence", {{"id", id}, {"type_id", type}}}}; };
  Json vocabulary = Json::object();
  std::istringstream lines(kVocabulary);
  int id = 0;
  for (std::string line; std::getline(lines, line);)
    vocabulary[line] = id++;
  return {{"version", "1.0"},
          {"truncation", {{"max_length", 3}}},
          {"added_tokens", Json::array({{{"id", 3}, {"content", "[SEP]"}, {"normalized", false}, {"special", true}}})},
          {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", false}, {"strip_accents", nullptr}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {special("[CLS]", 0), text("A", 0), special("[SEP]", 0)}},
            {"pair", {special("[CLS]", 0), text("A", 0), special("[SEP]", 0), text("B", 1), special("[SEP]", 1)}}}},
          {"model", {{"type", "WordPiece"}, {"unk_token", "[UNK]"}, {"vocab", vocabulary}}}};
}

std::string error_of_loading(const std::filesystem::path& directory) {
  try {
    Tokenizer::load(directory);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TokenizerFiles, VocabularyAloneIsUncasedLikeBert) {
  const TempFolder folder;
  folder.write("vocab.txt", kVocabulary);
  const Tokenizer t = Tokenizer::load(folder.path());
  EXPECT_EQ(t.encode("Ab É", 9).ids, (Ids{2, 5, 7, 9, 3}));
  EXPECT_TRUE(t.notes().empty());
}

TEST(TokenizerFiles, TheConfigurationSaysWhatIsNormalised) {
  const TempFolder folder;
  folder.write("vocab.txt", kVocabulary);
  folder.write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("Ab é", 9).ids, (Ids{2, 6, 7, 8, 3}));
  folder.write("tokenizer_config.json", R"({"do_lower_case": true, "strip_accents": false})");
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("Ab É", 9).ids, (Ids{2, 5, 7, 8, 3}));
  folder.write("tokenizer_config.json", R"({"tokenize_chinese_chars": false})");
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("中中", 9).ids, (Ids{2, 11, 3}));
}

TEST(TokenizerFiles, SpecialTokensMayHaveOtherNames) {
  const TempFolder folder;
  folder.write("vocab.txt", "<unk>\n<s>\n</s>\na\nextra\n");
  folder.write("tokenizer_config.json", R"({"unk_token": "<unk>", "cls_token": {"content": "<s>", "lstrip": false}})");
  folder.write("special_tokens_map.json",
               R"({"sep_token": "</s>", "cls_token": "a", "additional_special_tokens": ["extra", "none"]})");
  const Tokenizer t = Tokenizer::load(folder.path());
  // As in transformers the older file goes before, unless tokenizer_config.json lists the added tokens.
  EXPECT_EQ(t.encode("a</s>aextra?", 20).ids, (Ids{3, 3, 2, 3, 4, 0, 2}));
  EXPECT_TRUE(t.is_special(4));
  folder.write("tokenizer_config.json",
               R"({"unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "added_tokens_decoder": {}})");
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("a", 20).ids, (Ids{1, 3, 2}));
}

TEST(TokenizerFiles, AVocabularyOfAnotherTokenizerIsRefused) {
  const TempFolder folder;
  folder.write("vocab.txt", kVocabulary);
  folder.write("config.json", R"({"tokenizer_class": "BertJapaneseTokenizer"})");
  EXPECT_EQ(error_of_loading(folder.path()),
            folder.path() + ": expected a BERT WordPiece tokenizer, got one of class 'BertJapaneseTokenizer'");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "ElectraTokenizerFast"})");
  EXPECT_EQ(error_of_loading(folder.path()), "no error");
}

TEST(TokenizerFiles, AddedTokensComeFromEitherFile) {
  const TempFolder folder;
  folder.write("vocab.txt", kVocabulary);
  folder.write("added_tokens.json", R"({"New": 20})");
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("anewa", 20).ids, (Ids{2, 5, 20, 5, 3}));
  folder.write("special_tokens_map.json", R"({"additional_special_tokens": ["New"]})");
  EXPECT_TRUE(Tokenizer::load(folder.path()).is_special(20));
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("anewa", 20).ids.size(), 3u);  // a special one is not normalised
  folder.write("added_tokens.json", R"({"New": null})");
  EXPECT_EQ(error_of_loading(folder.path()),
            folder.path() + "/added_tokens.json: New: must be a whole number of 0 to 16777215, got null");
  folder.write("tokenizer_config.json",
               R"({"added_tokens_decoder": {"21": {"content": "New", "normalized": false, "special": false}}})");
  EXPECT_EQ(Tokenizer::load(folder.path()).encode("aNewa", 20).ids, (Ids{2, 5, 21, 5, 3}));
}

TEST(TokenizerFiles, TokenizerJsonWinsAndSaysWhereTheOtherFileDiffers) {
  const TempFolder folder;
  folder.write("vocab.txt", "nothing\n");
  folder.write("tokenizer.json", bert_json().dump());
  folder.write("tokenizer_config.json", R"({"do_lower_case": true, "strip_accents": null})");
  const Tokenizer t = Tokenizer::load(folder.path());
  EXPECT_EQ(t.encode("Ab é[SEP]", 9).ids, (Ids{2, 6, 7, 8, 3, 3}));
  EXPECT_EQ(t.notes(),
            std::vector<std::string>{folder.path() +
                                     ": tokenizer.json has lowercase = false, tokenizer_config.json has do_lower_case "
                                     "= true; tokenizer.json is used, transformers uses the other: make them agree"});
}

TEST(TokenizerFiles, ASavedTokenizerIsTheSame) {
  const TempFolder folder, copy, again;
  Json json = bert_json();
  json["normalizer"]["strip_accents"] = true;
  json["model"]["max_input_chars_per_word"] = 4;
  json["added_tokens"].push_back({{"id", 12}, {"content", "<n>"}, {"lstrip", true}, {"normalized", true}});
  folder.write("tokenizer.json", json.dump());
  folder.write("tokenizer_config.json", R"({"model_max_length": 77, "do_lower_case": false, "chat": "한"})");
  const Tokenizer t = Tokenizer::load(folder.path());
  t.save(copy.path());
  const Tokenizer copied = Tokenizer::load(copy.path());
  copied.save(again.path());
  for (const char* text : {"Ab é 中中", "a <n> b", "aaaa aaaaa", "[MASK]A", "E\u0301"}) {
    EXPECT_EQ(copied.encode(text, 20).ids, t.encode(text, 20).ids) << text;
  }
  EXPECT_EQ(read_text_file(copy.path("vocab.txt")), kVocabulary);
  const Json config = Json::parse(read_text_file(copy.path("tokenizer_config.json")));
  EXPECT_EQ(config["model_max_length"], 77);
  EXPECT_EQ(config["strip_accents"], true);
  for (const char* file : {"vocab.txt", "tokenizer.json", "tokenizer_config.json"}) {
    EXPECT_EQ(read_text_file(again.path(file)), read_text_file(copy.path(file))) << file;
  }
}

TEST(TokenizerFiles, AVocabularyWithRepeatedLinesIsSavedWithoutVocabTxt) {
  const TempFolder folder, copy;
  folder.write("vocab.txt", std::string(kVocabulary) + "a\n");
  Tokenizer::load(folder.path()).save(copy.path());
  EXPECT_FALSE(std::filesystem::exists(copy.path("vocab.txt")));
  EXPECT_EQ(Tokenizer::load(copy.path()).encode("a", 9).ids, (Ids{2, 12, 3}));
}

TEST(TokenizerFiles, TokensThatAreNoLineAreSavedWithoutVocabTxt) {
  // A token "c\nd" would be two lines, and every token behind it would have another id for who reads vocab.txt.
  for (const char* odd : {"c\nd", "c ", "c\u00a0", "\n", "c\r"}) {
    const TempFolder folder, copy;
    Json json = bert_json();
    json["model"]["vocab"][odd] = 12;
    json["model"]["vocab"]["e"] = 13;
    folder.write("tokenizer.json", json.dump());
    Tokenizer::load(folder.path()).save(copy.path());
    EXPECT_FALSE(std::filesystem::exists(copy.path("vocab.txt"))) << odd;
    EXPECT_EQ(Tokenizer::load(copy.path()).encode("e", 9).ids, (Ids{2, 13, 3}));
  }
}

TEST(TokenizerFiles, WhatReadersDisagreeOnIsRefused) {
  const TempFolder folder;
  std::string whole = bert_json().dump();
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    const std::string file = folder.write("tokenizer.json", text.replace(text.find(from), from.size(), to));
    const std::string said = error_of_loading(folder.path());
    return said.starts_with(file) ? said.substr(file.size()) : said;
  };
  EXPECT_EQ(with("\"##b\":7", "\"##b\":7,\"##b\":5"), ": has the key '##b' twice; it is damaged");
  EXPECT_EQ(with("\"version\":\"1.0\"", "\"version\":\"1.0\",\"version\":\"1.0\""),
            ": has the key 'version' twice; it is damaged");
  EXPECT_EQ(with("\"1.0\"", "1e999"), ": has a number that is too large to be read; it is damaged");
  EXPECT_EQ(with("\"1.0\"", std::string(100'000, '[')), ": is nested deeper than 64 levels; it is damaged");
}

TEST(TokenizerFiles, ADeepOrRepetitiveConfigurationIsRefused) {
  const TempFolder folder;
  folder.write("vocab.txt", kVocabulary);
  const auto said_about = [&](const std::string& text) {
    const std::string file = folder.write("tokenizer_config.json", text);
    const std::string said = error_of_loading(folder.path());
    return said.starts_with(file) ? said.substr(file.size()) : said;
  };
  const std::string deep(1'000'000, '['), closed(1'000'000, ']');
  EXPECT_EQ(said_about("{\"chat\": " + deep + closed + "}"), ": is nested deeper than 64 levels; it is damaged");
  EXPECT_EQ(said_about(R"({"do_lower_case": true, "do_lower_case": false})"),
            ": has the key 'do_lower_case' twice; it is damaged");
  EXPECT_EQ(said_about(R"({"model_max_length": 1e1000})"),
            ": has a number that is too large to be read; it is damaged");
}

TEST(TokenizerFiles, APipeIsNotWaitedFor) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo(folder.path("vocab.txt").c_str(), 0600), 0);
  EXPECT_EQ(error_of_loading(folder.path()), folder.path("vocab.txt") + ": cannot be read: Operation not supported");
}

TEST(TokenizerFiles, OtherKindsAreRefusedByName) {
  const auto error = [](const std::function<void(Json&)>& change) {
    const TempFolder folder;
    Json json = bert_json();
    change(json);
    folder.write("tokenizer.json", json.dump());
    std::string text = error_of_loading(folder.path());
    EXPECT_TRUE(text.starts_with(folder.path("tokenizer.json"))) << text;
    return text.substr(std::min(text.size(), folder.path("tokenizer.json").size()));
  };
  EXPECT_EQ(error([](Json& json) {
              json["model"] = {{"type", "BPE"}, {"vocab", {{"a", 0}}}, {"merges", Json::array()}};
              json["normalizer"] = nullptr;
              json["pre_tokenizer"] = {{"type", "ByteLevel"}};
              json["post_processor"] = {{"type", "RobertaProcessing"}};
            }),
            ": expected a BERT WordPiece tokenizer, got model 'BPE', pre-tokenizer 'ByteLevel', post-processor "
            "'RobertaProcessing'");
  EXPECT_EQ(
      error([](Json& json) {
        json["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "Lowercase"}}}}};
      }),
      ": expected a BERT WordPiece tokenizer, got normalizer 'Sequence'");
  EXPECT_EQ(error([](Json& json) { json.erase("pre_tokenizer"); }),
            ": expected a BERT WordPiece tokenizer, got pre-tokenizer none");
  EXPECT_EQ(error([](Json& json) { json["post_processor"]["single"].erase(2); }),
            ": post_processor: expected the template [CLS]:0 A:0 [SEP]:0, got [CLS]:0 A:0");
  EXPECT_EQ(
      error([](Json& json) { json["post_processor"]["pair"][3]["Sequence"]["type_id"] = 0; }),
      ": post_processor: expected the template [CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1, got [CLS]:0 A:0 [SEP]:0 B:0 [SEP]:1");
  EXPECT_EQ(error([](Json& json) { json["post_processor"]["pair"][3] = 5; }),
            ": post_processor: expected the template of BERT, got one that cannot be read");
  EXPECT_EQ(error([](Json& json) { json["normalizer"]["lowercase"] = "yes"; }),
            ": normalizer: lowercase must be true or false, got \"yes\"");
  EXPECT_EQ(error([](Json& json) { json["model"]["max_input_chars_per_word"] = 0; }),
            ": model: max_input_chars_per_word must be an integer between 1 and 1000000, got 0");
  EXPECT_EQ(error([](Json& json) { json["model"]["vocab"]["a"] = -1; }),
            ": model.vocab: the id of 'a' must be an integer between 0 and 16777215, got -1");
  EXPECT_EQ(error([](Json& json) { json["model"]["vocab"]["zz"] = json["model"]["vocab"]["a"]; }),
            ": model.vocab: 'a' and 'zz' have the same id, 5");
  EXPECT_EQ(error([](Json& json) { json["added_tokens"][0].erase("content"); }),
            ": added_tokens: must have a content and an id, got {\"id\":3,\"normalized\":false,\"special\":true}");
  EXPECT_EQ(error([](Json& json) { json["model"]["vocab"].erase("[CLS]"); }),
            ": expected a BERT vocabulary with the tokens '[UNK]', '[CLS]' and '[SEP]', got 11 tokens without '[CLS]'");
}

TEST(TokenizerFiles, SentencePieceIsRefusedByName) {
  const TempFolder folder;
  folder.write("spiece.model", "");
  EXPECT_EQ(error_of_loading(folder.path()),
            folder.path() + ": expected a BERT WordPiece tokenizer, got one with spiece.model");
}

TEST(TokenizerFiles, MissingFilesAreListed) {
  const TempFolder folder;
  folder.write("config.json", "{}");
  EXPECT_EQ(error_of_loading(folder.path()),
            folder.path() +
                ": has no vocabulary. Looked for\n"
                "  tokenizer.json    not there\n"
                "  vocab.txt         not there\n"
                "copy one of them from the directory of the model that was pretrained");
  EXPECT_EQ(error_of_loading("no/such/model"),
            "no/such/model: is not a directory (working directory " + std::filesystem::current_path().string() + ")");
}

TEST(TokenizerFiles, DamagedJsonIsNamedWithItsPlace) {
  const TempFolder folder;
  const std::string whole =
      "{\n \"version\": \"1.0\",\n \"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0, \"b";
  const std::string file = folder.write("tokenizer.json", whole);
  const std::string size = std::to_string(whole.size());
  EXPECT_EQ(error_of_loading(folder.path()), file + ": is not JSON from byte " + size + " of " + size +
                                                 " on; it is damaged or cut off, copy it again (" + file + ":3)");
  const std::string config = folder.write("tokenizer_config.json", "[]");
  EXPECT_EQ(error_of_loading(folder.path()), config + ": must be a JSON object, got a list");
}

}  // namespace
}  // namespace plugtune::text
