// char_table.cc - compiling the normaliser and the splitter into one entry per character.
#include "text/char_table.h"

#include <algorithm>
#include <string>

#include "text/unicode.h"
#include "text/unicode_tables.h"

namespace plugtune::text {

CharTable::CharTable(const NormalizerOptions& options, const WordPiece& pieces) : entries_(entry(Kind::kLetter)) {
  // Everything that no table and no piece names is an unknown letter, which is what the map starts with. The large ranges
  // get what most of their characters are, all at once; what differs in them is named by a later table or by a piece.
  const auto compile_one = [&](char32_t c) { entries_.set(c, compile(c, options, pieces)); };
  const auto compile_all = [&](const auto& rows, Entry of_large_ranges) {
    for (const auto& row : rows) {
      if (row.last - row.first >= 1024) {
        entries_.fill(row.first, row.last, of_large_ranges);
      } else {
        for (char32_t c = row.first; c <= row.last; ++c)
          compile_one(c);
      }
    }
  };
  const Entry letter = entry(Kind::kLetter), unknown_ideograph = alone(pieces.unknown());
  if (options.clean_text) compile_all(tables::kControl, entry(Kind::kDropped));
  if (options.tokenize_chinese_chars) compile_all(tables::kCjk, unknown_ideograph);
  compile_all(tables::kWhitespace, letter);
  compile_all(tables::kPunctuation, letter);
  if (options.lowercase) {
    compile_all(tables::kLowerCase, letter);
    compile_one(0x130);
  }
  if (options.strip_accents) {
    compile_all(tables::kNonspacingMark, letter);
    compile_all(tables::kCombiningClass, letter);
    for (const auto& row : tables::kDecomposition)
      compile_one(row.code);
  }
  for (const char32_t c : pieces.characters())
    compile_one(c);
  if (options.strip_accents) decompose_hangul();
}

void CharTable::decompose_hangul() {
  std::u32string jamo;
  std::vector<Entry> entries;
  for (char32_t c = 0xAC00; c <= 0xD7A3; ++c) {
    jamo.clear();
    append_decomposition(c, jamo);
    entries.clear();
    for (const char32_t part : jamo)
      entries.push_back(entries_[part]);
    entries_.set(c, several(entries));
  }
}

CharTable::Entry CharTable::several(std::span<const Entry> entries) {
  const auto where = static_cast<uint32_t>(sequences_.size());
  const bool all_letters =
      std::all_of(entries.begin(), entries.end(), [](Entry e) { return kind(e) == Kind::kLetter; });
  const bool is_short = entries.size() <= kMostLetters;
  sequences_.push_back(static_cast<Entry>(entries.size()));
  sequences_.insert(sequences_.end(), entries.begin(), entries.end());
  if (is_short) sequences_.resize(where + 1 + kMostLetters);
  return entry(all_letters && is_short ? Kind::kLetters : Kind::kSequence, where);
}

CharTable::Entry CharTable::of_normalized(char32_t c, const WordPiece& pieces) {
  if (is_whitespace(c)) return entry(Kind::kSpace);
  if (is_punctuation(c)) return alone(pieces.match_one(pieces.symbol(c)));
  return entry(Kind::kLetter, pieces.symbol(c));
}

CharTable::Entry CharTable::compile(char32_t c, const NormalizerOptions& options, const WordPiece& pieces) {
  const std::u32string text = normalize({&c, 1}, options);
  if (text.empty()) return entry(Kind::kDropped);
  if (options.strip_accents && std::any_of(text.begin(), text.end(), combining_class)) return entry(Kind::kContextual);
  if (text.size() == 1) return of_normalized(text[0], pieces);

  std::vector<Entry> parts;
  for (const char32_t part : text)
    parts.push_back(of_normalized(part, pieces));
  if (parts.size() == 3 && kind(parts[0]) == Kind::kSpace && kind(parts[1]) == Kind::kLetter &&
      kind(parts[2]) == Kind::kSpace) {  // an ideograph between its spaces
    return alone(pieces.match_one(value(parts[1])));
  }
  return several(parts);
}

}  // namespace plugtune::text
