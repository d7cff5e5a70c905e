#pragma once
// piece_writer.h - the inner loop of tokenizing: characters come in, the ids of their words' pieces go out.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "text/char_table.h"
#include "text/wordpiece.h"

namespace plugtune::text {

/// Thrown while a text is read, and turned into an Error where the text has a name.
struct NotUtf8 {
  const char* at;
};

/// What one thread works with: the word that is being read, where its pieces go, and what was counted.
class PieceWriter {
 public:
  /// Given by a source of entries at the end of its text; no character has this entry.
  static constexpr CharTable::Entry kEnd = 0xFFFFFFFF;

  PieceWriter(const WordPiece& pieces, const CharTable& table, int64_t longest_word)
      : pieces_(pieces),
        table_(table),
        longest_word_(static_cast<size_t>(longest_word)),
        word_(longest_word_ + 1 + CharTable::kMostLetters) {}

  void start(int32_t* out) { out_ = out, words_ = 0, unknown_ = 0; }
  int32_t* out() const { return out_; }     ///< where the next id goes
  int64_t words() const { return words_; }  ///< since start()
  int64_t unknown() const { return unknown_; }

  /// A word that is a token by itself.
  void write_id(int32_t id) {
    *out_++ = id;
    words_ += 1;
    unknown_ += id == pieces_.unknown();
  }

  /// Writes the words of a text, one entry of CharTable after another until kEnd.
  /// False when one of them is kContextual: then nothing was written.
  template <class NextEntry>
  bool write_words(const NextEntry& next_entry);

 private:
  void write_word(size_t length) {
    int32_t* const first = out_;
    if (length > longest_word_) {
      *out_++ = pieces_.unknown();
    } else {
      out_ = pieces_.match(word_.data(), length, out_);
    }
    words_ += 1;
    unknown_ += *first == pieces_.unknown();
  }

  const WordPiece& pieces_;
  const CharTable& table_;
  const size_t longest_word_;
  std::vector<WordPiece::Symbol> word_;
  int32_t* out_ = nullptr;
  int64_t words_ = 0, unknown_ = 0;
};

template <class NextEntry>
bool PieceWriter::write_words(const NextEntry& next_entry) {
  using Kind = CharTable::Kind;
  using Entry = CharTable::Entry;
  int32_t* const out = out_;
  const int64_t words = words_, unknown = unknown_;
  // Letters of the word that is being read, kept in registers. A word that is too long stays one longer than the longest:
  // what follows is not kept.
  WordPiece::Symbol* const word = word_.data();
  const size_t too_long = longest_word_ + 1;
  size_t length = 0;

  const auto write = [&](Entry e) {
    if (CharTable::kind(e) == Kind::kLetter) {
      word[length] = e;
      length += length < too_long;
    } else if (CharTable::kind(e) != Kind::kDropped) {
      if (length > 0) write_word(length);
      length = 0;
      if (CharTable::kind(e) == Kind::kAlone) write_id(static_cast<int32_t>(CharTable::value(e)));
    }
  };

  for (Entry e = next_entry(); e != kEnd; e = next_entry()) {
    if (CharTable::kind(e) == Kind::kLetter) {  // said again for the compiler: this is nearly every character
      word[length] = e;
      length += length < too_long;
    } else if (CharTable::kind(e) == Kind::kLetters) {
      // Decomposed Hangul, two or three letters: written as three, because how many cannot be predicted.
      const std::span<const Entry> letters = table_.sequence(e);
      for (size_t i = 0; i < CharTable::kMostLetters; ++i)
        word[length + i] = letters.data()[i];
      length = std::min(length + letters.size(), too_long);
    } else if (CharTable::kind(e) == Kind::kSequence) {
      for (const Entry part : table_.sequence(e))
        write(part);
    } else if (CharTable::kind(e) == Kind::kContextual) {
      out_ = out, words_ = words, unknown_ = unknown;
      return false;
    } else {
      write(e);
    }
  }
  if (length > 0) write_word(length);
  return true;
}

}  // namespace plugtune::text
