#pragma once
// tokenizer.h - BertTokenizer: texts to ids, the same ids as the reference (formats.md, 2).

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/char_table.h"
#include "text/vocabulary.h"
#include "text/wordpiece.h"

namespace plugtune::text {

class PieceWriter;

/// What belongs to a model: read from its directory, written back with it.
struct TokenizerOptions {
  bool clean_text = true;
  bool lowercase = true;
  std::optional<bool> strip_accents = std::nullopt;  ///< not set: as `lowercase`
  bool tokenize_chinese_chars = true;
  int64_t max_input_chars_per_word = 100;
  std::string continuing_prefix = "##";
  std::string unk = "[UNK]", cls = "[CLS]", sep = "[SEP]", pad = "[PAD]", mask = "[MASK]";
  std::vector<AddedToken> added_tokens = {};  ///< the five above are added by the tokenizer where they are missing
};

/// What belongs to a run.
struct TextOptions {
  bool special_tokens_in_text = true;  ///< a literal "[SEP]" in a text is the special token, as in the reference
  bool normalize_nfc = false;          ///< compose the text first: decomposed Hangul would become [UNK]s
};

/// The ids of one text or pair: [CLS] A [SEP], or [CLS] A [SEP] B [SEP].
struct Encoding {
  std::vector<int32_t> ids;
  int32_t first_length = 0;  ///< tokens of type 0; the rest, B [SEP], are of type 1
  bool truncated = false;
  int64_t words = 0;    ///< of the whole text, before truncation; a sign, ideograph or added token is a word
  int64_t unknown = 0;  ///< words that became [UNK]

  std::vector<uint8_t> types() const;
};

/// A text, or a pair of texts. Views: the caller keeps the bytes.
struct TextPair {
  std::string_view a;
  std::optional<std::string_view> b = std::nullopt;
};

/// The ids of many texts, one after another: example i owns ids [offsets[i], offsets[i + 1]).
struct EncodedTexts {
  std::vector<int32_t> ids;
  std::vector<int64_t> offsets;        ///< (examples + 1)
  std::vector<int32_t> first_lengths;  ///< (examples) tokens of type 0
  int64_t truncated = 0;               ///< examples that were cut
  int64_t longest = 0;                 ///< tokens that the longest example would have had uncut
  int64_t words = 0, unknown = 0;      ///< summed over all examples, see Encoding

  size_t size() const { return first_lengths.size(); }
  std::span<const int32_t> operator[](size_t i) const {
    return std::span(ids).subspan(static_cast<size_t>(offsets[i]), static_cast<size_t>(offsets[i + 1] - offsets[i]));
  }
};

/// Immutable; any number of threads may encode with one.
class Tokenizer {
 public:
  using NameOf = std::function<std::string(size_t)>;

  /// Throws Error when unk, cls or sep is not a token; `source` says in it where the vocabulary is from.
  Tokenizer(Vocabulary vocabulary, TokenizerOptions options, TextOptions text = {},
            const std::string& source = "vocabulary");

  /// Reads a model directory: tokenizer.json, or vocab.txt with tokenizer_config.json.
  static Tokenizer load(const std::filesystem::path& model_dir, TextOptions text = {});
  /// Writes tokenizer.json, tokenizer_config.json and vocab.txt into an existing directory; the last
  /// only when every id has a token that is a line.
  void save(const std::filesystem::path& model_dir) const;

  /// @param max_length  tokens, special ones included: at least 2, or 3 for a pair.
  /// Throws Error when a text is not UTF-8 or max_length is too small.
  Encoding encode(std::string_view a, int64_t max_length) const;
  Encoding encode(std::string_view a, std::string_view b, int64_t max_length) const;
  Encoding encode(const TextPair& texts, int64_t max_length) const;

  /// The same, of many texts by several threads; the result does not depend on how many.
  /// @param threads  0: one per processor
  /// @param name_of  what an example is called in an error, by its place in `texts`: the first bad one is reported.
  ///                 {}: "example 1" and so on. Several threads may call it.
  EncodedTexts encode_all(std::span<const TextPair> texts, int64_t max_length, int threads = 0,
                          const NameOf& name_of = {}) const;

  int32_t unk_id() const { return special_.unk; }
  int32_t cls_id() const { return special_.cls; }
  int32_t sep_id() const { return special_.sep; }
  std::optional<int32_t> pad_id() const { return special_.pad; }
  std::optional<int32_t> mask_id() const { return special_.mask; }
  bool is_special(int64_t id) const;         ///< never to be masked
  std::string_view token(int64_t id) const;  ///< "" where no token has the id
  int64_t size() const;                      ///< highest id + 1: rows that the word embedding needs
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const std::vector<AddedToken>& added_tokens() const { return added_; }  ///< with the special ones, which come first
  const TokenizerOptions& options() const { return options_; }
  /// What load() found odd in the directory and decided by itself, one sentence each.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  struct SpecialIds {
    int32_t unk, cls, sep;
    std::optional<int32_t> pad, mask;
    static SpecialIds find(const Vocabulary& vocabulary, const TokenizerOptions& options, const std::string& source);
  };
  /// What encode_into() says about one example.
  struct Written {
    int64_t length, first_length, whole_length;  ///< tokens; whole_length: without truncation
    int64_t words, unknown;
  };
  struct Chunk;

  Written encode_into(const TextPair& texts, int64_t max_length, int32_t* out, PieceWriter& writer) const;
  void encode_text(std::string_view text, PieceWriter& writer) const;
  bool encode_run(std::string_view run, PieceWriter& writer) const;
  void encode_contextual(std::string_view run, PieceWriter& writer) const;
  size_t room(const TextPair& texts) const;
  void encode_chunk(std::span<const TextPair> texts, int64_t max_length, const NameOf& name_of, Chunk& chunk) const;
  static EncodedTexts gather(const std::vector<Chunk>& chunks, size_t examples);

  Vocabulary vocabulary_;
  TokenizerOptions options_;
  TextOptions text_;
  SpecialIds special_;
  std::vector<AddedToken> added_;  ///< those of the options and the five of BERT, special ones first
  WordPiece pieces_;
  CharTable table_;
  AddedTokens raw_added_, normalized_added_;
  std::vector<std::string> notes_;
  std::string config_;  ///< tokenizer_config.json as it was read, for the keys that are not ours
};

}  // namespace plugtune::text
