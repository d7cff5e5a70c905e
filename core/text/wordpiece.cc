// wordpiece.cc - the trie of pieces: a root step per symbol, then a small hash table per inner node.
//
// Most Korean and Chinese pieces are one or two characters, so the first step, an array, does most of the work. The
// tables of further steps lie in the order of a walk through the trie: what can follow a syllable is near its table, and
// a chain of single children is one cache line. One hash table for all edges was slower where the vocabulary is large,
// because each step was a line of its own; over bytes, a Hangul syllable would be three steps. Collecting words and
// prefetching their first table before the match gained nothing.
#include "text/wordpiece.h"

#include <algorithm>
#include <bit>
#include <span>

#include "text/unicode.h"

namespace plugtune::text {

/// A piece while the trie is built: symbols [first, first + length) of the builder's pool.
struct WordPiece::Piece {
  uint32_t first, length;
  int32_t id;
};

/// Makes one of the two tries.
class WordPiece::Builder {
 public:
  explicit Builder(WordPiece& trie) : trie_(trie) {}

  void add(std::string_view text, int32_t id) {
    const auto first = static_cast<uint32_t>(pool_.size());
    for (const char *at = text.data(), *end = at + text.size(); at != end;) {
      pool_.push_back(trie_.symbol_or_new(decode_utf8(at, end)));
    }
    if (pool_.size() > first) pieces_.push_back({first, static_cast<uint32_t>(pool_.size()) - first, id});
  }

  /// The first steps, by symbol. What follows them is appended to the trie's slots, in the order of a walk.
  std::vector<Step> build() {
    std::vector<Step> roots(trie_.characters_.size() + 1);
    for_each_child(pieces_, 0, [&](Symbol s, std::span<Piece> pieces) {
      roots[s] = step(pieces, 1);
      while (!pending_.empty()) {
        const Pending next = pending_.back();
        pending_.pop_back();
        trie_.slots_[next.slot].step = step(next.pieces, next.depth);
      }
    });
    return roots;
  }

 private:
  struct Pending {
    size_t slot;
    std::span<Piece> pieces;
    uint32_t depth;
  };

  Symbol symbol_at(const Piece& piece, uint32_t depth) const { return pool_[piece.first + depth]; }

  /// Calls child(symbol, pieces) for each symbol that `pieces`, all longer than `depth`, have there.
  template <class Child>
  void for_each_child(std::span<Piece> pieces, uint32_t depth, const Child& child) {
    std::sort(pieces.begin(), pieces.end(),
              [&](const Piece& a, const Piece& b) { return symbol_at(a, depth) < symbol_at(b, depth); });
    while (!pieces.empty()) {
      const Symbol s = symbol_at(pieces.front(), depth);
      size_t count = 1;
      while (count < pieces.size() && symbol_at(pieces[count], depth) == s)
        ++count;
      child(s, pieces.first(count));
      pieces = pieces.subspan(count);
    }
  }

  /// The step to the node of `pieces`, which are equal up to `depth`. Its block is there, but what is below is pending.
  Step step(std::span<Piece> pieces, uint32_t depth) {
    Step out;
    const auto ends_here =
        std::partition(pieces.begin(), pieces.end(), [=](const Piece& p) { return p.length == depth; });
    if (ends_here != pieces.begin()) out.id = pieces.front().id;
    pieces = pieces.subspan(static_cast<size_t>(ends_here - pieces.begin()));
    if (pieces.empty()) return out;

    uint32_t children = 0;
    for_each_child(pieces, depth, [&](Symbol, std::span<Piece>) { ++children; });
    // Up to four slots are one cache line, so they may all be taken; larger blocks are kept three quarters full.
    const uint32_t slots = std::bit_ceil(children <= 4 ? children : children + children / 3);
    out.block = static_cast<uint32_t>(trie_.slots_.size()) << 5 | static_cast<uint32_t>(std::countr_zero(slots));
    trie_.slots_.resize(trie_.slots_.size() + slots);
    for_each_child(pieces, depth, [&](Symbol s, std::span<Piece> below) {
      pending_.push_back({trie_.place(out.block, s), below, depth + 1});
    });
    return out;
  }

  WordPiece& trie_;
  std::vector<Symbol> pool_;
  std::vector<Piece> pieces_;
  std::vector<Pending> pending_;
};

WordPiece::WordPiece(const Vocabulary& vocabulary, std::string_view continuing, int32_t unknown) : unknown_(unknown) {
  // A piece is found by its text without the prefix, so "##" alone continues nothing.
  const std::u32string prefix = to_utf32(continuing);
  const bool never_begins = !prefix.empty() && is_punctuation(prefix[0]);  // such a sign is split off before
  Builder begins(*this), continues(*this);
  for (size_t i = 0; i < vocabulary.tokens(); ++i) {
    const auto [token, id] = vocabulary.entry(i);
    const bool is_continuing = token.size() > continuing.size() && token.starts_with(continuing);
    if (is_continuing) continues.add(token.substr(continuing.size()), static_cast<int32_t>(id));
    if (!is_continuing || !never_begins) begins.add(token, static_cast<int32_t>(id));
  }
  begins_ = begins.build();
  continues_ = continues.build();
}

int32_t* WordPiece::match(const Symbol* word, size_t length, int32_t* out) const {
  int32_t* const first = out;
  const Step* roots = begins_.data();
  for (size_t begin = 0; begin < length;) {
    const Step* step = &roots[word[begin]];
    size_t at = begin + 1, end = at;
    int32_t id = step->id;
    while (step->block != kLeaf && at < length && (step = find(step->block, word[at])) != nullptr) {
      ++at;
      if (step->id != kNone) {
        id = step->id;
        end = at;
      }
    }
    if (id == kNone) {
      *first = unknown_;
      return first + 1;
    }
    *out++ = id;
    begin = end;
    roots = continues_.data();
  }
  return out;
}

const WordPiece::Step* WordPiece::find(uint32_t block, Symbol s) const {
  const Slot* const slots = &slots_[first_slot(block)];
  const size_t last = last_slot(block);
  for (size_t i = home(block, s), left = last;; --left, i = (i + 1) & last) {
    if (slots[i].symbol == s) return &slots[i].step;
    if (left == 0 || slots[i].symbol == kFree) return nullptr;
  }
}

/// The slot of a new symbol of a block.
size_t WordPiece::place(uint32_t block, Symbol s) {
  Slot* const slots = &slots_[first_slot(block)];
  size_t i = home(block, s);
  while (slots[i].symbol != kFree)
    i = (i + 1) & last_slot(block);
  slots[i].symbol = s;
  return first_slot(block) + i;
}

WordPiece::Symbol WordPiece::symbol_or_new(char32_t c) {
  if (symbols_[c] == 0) {
    characters_.push_back(c);
    symbols_.set(c, static_cast<Symbol>(characters_.size()));
  }
  return symbols_[c];
}

}  // namespace plugtune::text
