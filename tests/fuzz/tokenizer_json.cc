// tokenizer_json.cc - fuzz target: tokenizer.json, and the same bytes as tokenizer_config.json beside a vocabulary.
#include <optional>

#include "fuzz/fuzz.h"
#include "text/tokenizer.h"

using namespace plugtune;

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nword\n.\nCAFÉ\n";
constexpr std::string_view kText = "A word: caf\u00e9 [MASK] ab \u4e2d [unused1]\nab.";

void make_folders() {
  for (const char* name : {"json", "config", "copy"})
    fs::create_directory(fuzz::folder() / name);
}

/// What was loaded is saved, and loaded from there it gives the same ids.
void try_tokenizer(const fs::path& directory) {
  text::Encoding encoding;
  std::optional<text::Tokenizer> tokenizer;
  const bool accepted = fuzz::accepted([&] {
    tokenizer.emplace(text::Tokenizer::load(directory));
    encoding = tokenizer->encode(kText, "b", /*max_length=*/64);
  });
  if (!accepted) return;
  if (tokenizer->size() > 10'000) return;  // a hole of 16 million ids is allowed, and slow to write

  const fs::path copy = fuzz::folder() / "copy";
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "vocab.txt"})
    fs::remove(copy / name);
  fuzz::must_succeed("a tokenizer that was loaded is saved and loaded", [&] {
    tokenizer->save(copy);
    const auto again = text::Tokenizer::load(copy);
    fuzz::require(again.encode(kText, "b", /*max_length=*/64).ids == encoding.ids, "ids stay");
    if (!fs::exists(copy / "vocab.txt")) return;
    const auto lines = text::Vocabulary::load(copy / "vocab.txt");
    fuzz::require(lines.size() == tokenizer->vocabulary().size(), "vocab.txt has a line for each id");
    for (int64_t id = 0; id < lines.size(); ++id)
      fuzz::require(lines.token(id) == tokenizer->vocabulary().token(id), "vocab.txt has the tokens in their lines");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool made = (make_folders(), fuzz::file("config/vocab.txt", kVocabulary), true);
  (void)made;
  fuzz::file("json/tokenizer.json", fuzz::text(data, size));
  try_tokenizer(fuzz::folder() / "json");
  fuzz::file("config/tokenizer_config.json", fuzz::text(data, size));
  try_tokenizer(fuzz::folder() / "config");
  return 0;
}
