// unicode.cc - look-ups in the tables of the reference, and UTF-8.
#include "text/unicode.h"

#include <algorithm>
#include <cassert>

#include "text/unicode_tables.h"

namespace plugtune::text {
namespace {

// Hangul syllables decompose by arithmetic (Unicode 3.12), so they are in no table.
constexpr char32_t kHangulFirst = 0xAC00, kHangulLast = 0xD7A3;
constexpr char32_t kLeadFirst = 0x1100, kVowelFirst = 0x1161, kTailFirst = 0x11A7;
constexpr char32_t kVowels = 21, kTails = 28;

/// The row of a sorted table that covers `c`, or null.
template <class Row>
const Row* find(std::span<const Row> rows, char32_t c) {
  const auto row = std::partition_point(rows.begin(), rows.end(), [c](const Row& r) { return r.last < c; });
  return row != rows.end() && row->first <= c ? &*row : nullptr;
}

}  // namespace

bool is_control(char32_t c) { return find(tables::kControl, c) != nullptr; }
bool is_whitespace(char32_t c) { return find(tables::kWhitespace, c) != nullptr; }
bool is_punctuation(char32_t c) { return find(tables::kPunctuation, c) != nullptr; }
bool is_cjk(char32_t c) { return find(tables::kCjk, c) != nullptr; }
bool is_nonspacing_mark(char32_t c) { return find(tables::kNonspacingMark, c) != nullptr; }
bool is_word_character(char32_t c) { return find(tables::kWordCharacter, c) != nullptr; }

uint8_t combining_class(char32_t c) {
  const tables::ClassRange* row = find(tables::kCombiningClass, c);
  return row ? row->combining_class : 0;
}

void append_decomposition(char32_t c, std::u32string& out) {
  if (c >= kHangulFirst && c <= kHangulLast) {
    const char32_t index = c - kHangulFirst, tail = index % kTails;
    out += kLeadFirst + index / (kVowels * kTails);
    out += kVowelFirst + index / kTails % kVowels;
    if (tail != 0) out += kTailFirst + tail;
    return;
  }
  const auto rows = tables::kDecomposition;
  const auto row = std::partition_point(rows.begin(), rows.end(), [c](const auto& r) { return r.code < c; });
  if (row == rows.end() || row->code != c) {
    out += c;
  } else {
    const auto text = tables::kDecompositionText.subspan(row->first, row->count);
    out.append(text.begin(), text.end());
  }
}

void append_lower_case(char32_t c, std::u32string& out) {
  if (c == 0x130) {
    out += U"i\u0307";
    return;
  }
  const tables::CaseRange* row = find(tables::kLowerCase, c);
  const bool changes = row && (c - row->first) % row->stride == 0;
  out += changes ? static_cast<char32_t>(static_cast<int32_t>(c) + row->delta) : c;
}

size_t first_non_utf8(std::string_view text) {
  const char *at = text.data(), *end = at + text.size();
  while (at != end) {
    if (decode_utf8(at, end) == kNotUtf8) return static_cast<size_t>(at - text.data());
  }
  return std::string_view::npos;
}

std::u32string to_utf32(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  const char *at = text.data(), *end = at + text.size();
  while (at != end) {
    out += decode_utf8(at, end);
    assert(out.back() != kNotUtf8);
  }
  return out;
}

std::string to_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size() * 3);
  const auto tail = [](char32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  for (const char32_t c : text) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += {static_cast<char>(0xC0 | c >> 6), tail(c)};
    } else if (c < 0x10000) {
      out += {static_cast<char>(0xE0 | c >> 12), tail(c >> 6), tail(c)};
    } else {
      out += {static_cast<char>(0xF0 | c >> 18), tail(c >> 12), tail(c >> 6), tail(c)};
    }
  }
  return out;
}

}  // namespace plugtune::text
