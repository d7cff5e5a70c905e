// vocabulary.cc - fuzz target: vocab.txt, and a tokenizer made of it.
#include "text/vocabulary.h"

#include "fuzz/fuzz.h"
#include "text/tokenizer.h"

using namespace plugtune;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto path = fuzz::file("vocab.txt", fuzz::text(data, size));
  text::Vocabulary vocabulary;
  if (!fuzz::accepted([&] { vocabulary = text::Vocabulary::load(path); })) return 0;
  for (size_t i = 0; i < vocabulary.tokens(); ++i) {
    const auto [token, id] = vocabulary.entry(i);
    fuzz::require(vocabulary.id(token) == id && vocabulary.token(id) == token, "a token has its id, an id its token");
  }
  fuzz::accepted([&] {
    const text::Tokenizer tokenizer(vocabulary, {}, {}, path.string());
    // The file's own words, each of which the tokenizer must know, and whatever else is in it.
    const std::string text = fuzz::read(path);
    const text::Encoding encoding = tokenizer.encode(text, /*max_length=*/512);
    for (const int32_t id : encoding.ids)
      fuzz::require(id >= 0 && id < tokenizer.size(), "ids are those of the vocabulary");
  });
  return 0;
}
