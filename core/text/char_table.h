#pragma once
// char_table.h - what becomes of a character between the text and WordPiece, in one look-up.

#include <cstdint>
#include <span>
#include <vector>

#include "text/code_point_map.h"
#include "text/normalizer.h"
#include "text/wordpiece.h"

namespace plugtune::text {

/// BertNormalizer and BertPreTokenizer, run at load on every character that they treat specially.
///
/// Both work character by character, with one exception: marks that strip_accents keeps are sorted, which needs their
/// neighbours. Such characters are kContextual, and a text that holds one goes through normalizer.h.
class CharTable {
 public:
  enum class Kind : uint32_t {
    kLetter,      ///< goes on with the word; value: its symbol
    kSpace,       ///< ends the word
    kDropped,     ///< is not there
    kAlone,       ///< ends the word and is one itself; value: the id of it
    kLetters,     ///< stands for some letters, at most kMostLetters; see sequence()
    kSequence,    ///< stands for several entries; at least one no letter; see sequence()
    kContextual,  ///< cannot be told from the character alone
  };
  /// Kind in the top bits, value below, so that a letter's entry is its symbol.
  using Entry = uint32_t;
  static constexpr size_t kMostLetters = 3;
  static Kind kind(Entry e) { return static_cast<Kind>(e >> kValueBits); }
  static uint32_t value(Entry e) { return e & ((Entry{1} << kValueBits) - 1); }

  CharTable(const NormalizerOptions& options, const WordPiece& pieces);

  Entry operator[](char32_t c) const { return entries_[c]; }
  /// The entry of a character that was normalised already.
  static Entry of_normalized(char32_t c, const WordPiece& pieces);

  /// The entries of a kLetters or kSequence, none of which is one itself. Behind those of kLetters there is always
  /// something to read, up to kMostLetters.
  std::span<const Entry> sequence(Entry e) const {
    const Entry* count = &sequences_[value(e)];
    return {count + 1, *count};
  }

 private:
  static constexpr unsigned kValueBits = 28;
  static Entry entry(Kind kind, uint32_t value = 0) { return static_cast<Entry>(kind) << kValueBits | value; }
  static Entry alone(int32_t id) { return entry(Kind::kAlone, static_cast<uint32_t>(id)); }
  Entry several(std::span<const Entry> entries);
  void decompose_hangul();
  Entry compile(char32_t c, const NormalizerOptions& options, const WordPiece& pieces);

  CodePointMap entries_;
  std::vector<Entry> sequences_;  ///< a count, then so many entries, and so on
};

}  // namespace plugtune::text
