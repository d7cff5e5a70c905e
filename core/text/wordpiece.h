#pragma once
// wordpiece.h - words to pieces: greedy longest match, as Wu et al. 2016, arXiv:1609.08144, and BERT use it.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/code_point_map.h"
#include "text/vocabulary.h"

namespace plugtune::text {

/// The pieces of a vocabulary as a trie over symbols.
///
/// A symbol is a character that occurs in some piece, numbered from 1; every other character is symbol 0, and a word that
/// holds one is unknown. There are two tries: pieces that begin a word and pieces that continue it.
class WordPiece {
 public:
  using Symbol = uint32_t;

  /// @param continuing  the prefix of pieces that continue a word, "##"
  /// @param unknown     id of a word that cannot be split
  WordPiece(const Vocabulary& vocabulary, std::string_view continuing, int32_t unknown);

  Symbol symbol(char32_t c) const { return symbols_[c]; }
  /// Every character that has a symbol: characters()[s - 1] is that of symbol s.
  const std::vector<char32_t>& characters() const { return characters_; }
  int32_t unknown() const { return unknown_; }

  /// The id of the word that is one symbol.
  int32_t match_one(Symbol s) const { return begins_[s].id == kNone ? unknown_ : begins_[s].id; }
  /// Writes the ids of a word's pieces to `out`, or unknown() alone, and returns the end of what was written.
  /// `out` has room for `length` ids.
  int32_t* match(const Symbol* word, size_t length, int32_t* out) const;

 private:
  static constexpr int32_t kNone = -1;           ///< no piece ends here
  static constexpr uint32_t kLeaf = 0xFFFFFFFF;  ///< no piece goes on from here
  static constexpr Symbol kFree = 0xFFFFFFFF;    ///< an unused slot
  /// Where a symbol leads: the piece that ends with it, and the block of the symbols that may follow.
  struct Step {
    int32_t id = kNone;
    uint32_t block = kLeaf;  ///< first slot << 5 | log2 of the number of slots
  };
  struct Slot {
    Symbol symbol = kFree;
    Step step;
  };
  struct Piece;
  class Builder;
  const Step* find(uint32_t block, Symbol s) const;
  size_t place(uint32_t block, Symbol s);
  Symbol symbol_or_new(char32_t c);
  static size_t first_slot(uint32_t block) { return block >> 5; }
  static size_t last_slot(uint32_t block) { return (size_t{1} << (block & 31)) - 1; }  ///< counted from the first
  static size_t home(uint32_t block, Symbol s) { return uint64_t{s * 0x9E3779B1u} >> (32 - (block & 31)); }

  CodePointMap symbols_{0};
  std::vector<char32_t> characters_;
  std::vector<Step> begins_, continues_;  ///< of each symbol, the first step of a piece
  std::vector<Slot> slots_;               ///< all further steps: for each inner node a small hash table, its block
  int32_t unknown_;
};

}  // namespace plugtune::text
