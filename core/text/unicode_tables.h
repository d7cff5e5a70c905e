#pragma once
// unicode_tables.h - what generate_tables.py learned from the reference; read through unicode.h.

#include <cstdint>
#include <span>

namespace plugtune::text::tables {

/// Code points first..last, both included. All tables are sorted.
struct Range {
  char32_t first, last;
};

/// Code points of one canonical combining class.
struct ClassRange {
  char32_t first, last;
  uint8_t combining_class;
};

/// Every stride-th code point of first..last becomes code point + delta.
struct CaseRange {
  char32_t first, last;
  uint8_t stride;
  int32_t delta;
};

/// The full canonical decomposition of one code point: kDecompositionText[first, first + count).
struct Decomposition {
  char32_t code;
  uint16_t first;
  uint8_t count;
};

extern const std::span<const Range> kControl;         ///< dropped by clean text
extern const std::span<const Range> kWhitespace;      ///< separates words; some of it is also in kControl
extern const std::span<const Range> kPunctuation;     ///< a word of its own
extern const std::span<const Range> kCjk;             ///< a word of its own when tokenize_chinese_chars is on
extern const std::span<const Range> kNonspacingMark;  ///< dropped by strip accents, after decomposition
extern const std::span<const Range> kWordCharacter;   ///< \w of the reference's regular expressions
extern const std::span<const ClassRange> kCombiningClass;
extern const std::span<const CaseRange> kLowerCase;          ///< without U+0130, which becomes two characters
extern const std::span<const Decomposition> kDecomposition;  ///< without Hangul syllables, which are computed
extern const std::span<const char32_t> kDecompositionText;

}  // namespace plugtune::text::tables
