// tokenizer.cc - texts to ids in one pass: decode, one look-up per character, greedy match per word.
//
// A text is first cut at added tokens. What lies between is read once: CharTable says of each character whether it goes
// on with the word, ends it, stands alone or is dropped, and a finished word goes to WordPiece. Nothing is allocated per
// word. Texts with marks that strip_accents sorts, and tokenizers with normalised added tokens, are normalised whole.
#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "plugtune/error.h"
#include "text/pair_cut.h"
#include "text/piece_writer.h"
#include "text/unicode.h"

namespace plugtune::text {
namespace {

NormalizerOptions normalizer_options(const TokenizerOptions& options) {
  return {.clean_text = options.clean_text,
          .tokenize_chinese_chars = options.tokenize_chinese_chars,
          .strip_accents = options.strip_accents.value_or(options.lowercase),
          .lowercase = options.lowercase};
}

/// The given added tokens and the five of BERT, as transformers adds them: found in the raw text.
std::vector<AddedToken> with_special_tokens(const Vocabulary& vocabulary, const TokenizerOptions& options) {
  std::vector<AddedToken> tokens = options.added_tokens;
  for (const std::string* name : {&options.unk, &options.sep, &options.pad, &options.cls, &options.mask}) {
    const auto is_it = [name](const AddedToken& token) { return token.content == *name; };
    const auto id = vocabulary.id(*name);
    if (id && std::none_of(tokens.begin(), tokens.end(), is_it)) {
      tokens.push_back({.content = *name, .id = *id, .special = true});
    }
  }
  // The reference looks for special tokens first, so of two that are equal after normalisation those count.
  std::stable_partition(tokens.begin(), tokens.end(), [](const AddedToken& token) { return token.special; });
  return tokens;
}

/// The added tokens that are looked for in the raw text, or those for the normalised one.
AddedTokens tokens_to_find(const std::vector<AddedToken>& all, bool normalized, const TextOptions& text,
                           const NormalizerOptions& normalizer) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : all) {
    if (token.normalized != normalized || (token.special && !text.special_tokens_in_text)) continue;
    if (normalized) token.content = to_utf8(normalize(to_utf32(token.content), normalizer));
    tokens.push_back(std::move(token));
  }
  return AddedTokens(std::move(tokens));
}

}  // namespace

Tokenizer::SpecialIds Tokenizer::SpecialIds::find(const Vocabulary& vocabulary, const TokenizerOptions& options,
                                                  const std::string& source) {
  const auto find = [&](const std::string& content) -> std::optional<int32_t> {
    for (const AddedToken& token : options.added_tokens) {
      if (token.content == content) return static_cast<int32_t>(token.id);
    }
    const std::optional<int64_t> id = vocabulary.id(content);
    return id ? std::optional(static_cast<int32_t>(*id)) : std::nullopt;
  };
  std::vector<std::string> missing;
  for (const std::string& name : {options.unk, options.cls, options.sep}) {
    if (!find(name)) missing.push_back(fmt::format("'{}'", name));
  }
  if (!missing.empty()) {
    throw Error(
        fmt::format("{}: expected a BERT vocabulary with the tokens '{}', '{}' and '{}', got {} tokens without {}",
                    source, options.unk, options.cls, options.sep, vocabulary.tokens(), join(missing)));
  }
  return {*find(options.unk), *find(options.cls), *find(options.sep), find(options.pad), find(options.mask)};
}

Tokenizer::Tokenizer(Vocabulary vocabulary, TokenizerOptions options, TextOptions text, const std::string& source)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      text_(text),
      special_(SpecialIds::find(vocabulary_, options_, source)),
      added_(with_special_tokens(vocabulary_, options_)),
      pieces_(vocabulary_, options_.continuing_prefix, special_.unk),
      table_(normalizer_options(options_), pieces_),
      raw_added_(tokens_to_find(added_, /*normalized=*/false, text_, normalizer_options(options_))),
      normalized_added_(tokens_to_find(added_, /*normalized=*/true, text_, normalizer_options(options_))) {}

/// Ids of a text without [CLS] and [SEP].
void Tokenizer::encode_text(std::string_view text, PieceWriter& writer) const {
  std::string composed;
  if (text_.normalize_nfc) {
    if (const size_t at = first_non_utf8(text); at != std::string_view::npos) throw NotUtf8{text.data() + at};
    composed = compose_nfc(text);
    text = composed;
  }
  const auto encode_between = [&](std::string_view run) {
    if (!normalized_added_.empty() || !encode_run(run, writer)) encode_contextual(run, writer);
  };
  raw_added_.split(text, encode_between, [&](int32_t id) { writer.write_id(id); });
}

/// False, with nothing written, when a character of the run is kContextual.
bool Tokenizer::encode_run(std::string_view run, PieceWriter& writer) const {
  const char *at = run.data(), *const end = at + run.size();
  return writer.write_words([&] {
    if (at == end) return PieceWriter::kEnd;
    const char32_t c = decode_utf8(at, end);
    if (c == kNotUtf8) throw NotUtf8{at};
    return table_[c];
  });
}

/// The same by way of the whole normalised run.
void Tokenizer::encode_contextual(std::string_view run, PieceWriter& writer) const {
  if (const size_t at = first_non_utf8(run); at != std::string_view::npos) throw NotUtf8{run.data() + at};
  const std::u32string normalized = normalize(to_utf32(run), normalizer_options(options_));
  const auto encode_normalized = [&](std::u32string_view text) {
    size_t i = 0;
    writer.write_words(
        [&] { return i == text.size() ? PieceWriter::kEnd : CharTable::of_normalized(text[i++], pieces_); });
  };
  if (normalized_added_.empty()) return encode_normalized(normalized);
  normalized_added_.split(
      to_utf8(normalized), [&](std::string_view text) { encode_normalized(to_utf32(text)); },
      [&](int32_t id) { writer.write_id(id); });
}

/// Places for ids that one example needs: no character becomes more of them than it has bytes in UTF-8.
size_t Tokenizer::room(const TextPair& texts) const {
  const size_t bytes = texts.a.size() + (texts.b ? texts.b->size() : 0);
  return bytes * (text_.normalize_nfc ? 3 : 1) + 3;  // composition makes no text longer than three times its length
}

/// Writes the ids of one example to `out`, which has room() for them.
Tokenizer::Written Tokenizer::encode_into(const TextPair& texts, int64_t max_length, int32_t* out,
                                          PieceWriter& writer) const {
  // A goes behind [CLS] and B right behind A, both whole, so that the lengths are known before anything is cut.
  int32_t* const a = out + 1;
  writer.start(a);
  encode_text(texts.a, writer);
  int32_t* const b = writer.out();
  if (texts.b) encode_text(*texts.b, writer);

  const int64_t special = texts.b ? 3 : 2, free = max_length - special;
  const int64_t a_length = b - a, b_length = writer.out() - b, whole = a_length + b_length + special;
  const auto [a_kept, b_kept] =
      texts.b ? cut_pair({a_length, b_length}, free) : PairLengths{std::min(a_length, free), 0};
  out[0] = special_.cls;
  int32_t* end = a + a_kept + 1;
  if (texts.b) {
    std::memmove(end, b, static_cast<size_t>(b_kept) * sizeof(int32_t));
    end[b_kept] = special_.sep;
  }
  end[-1] = special_.sep;
  return {.length = end + (texts.b ? b_kept + 1 : 0) - out,
          .first_length = end - out,
          .whole_length = whole,
          .words = writer.words(),
          .unknown = writer.unknown()};
}

}  // namespace plugtune::text
