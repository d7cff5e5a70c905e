#pragma once
// unicode.h - characters as the reference tokenizer sees them (formats.md, 2), and UTF-8.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace plugtune::text {

bool is_control(char32_t c);          ///< dropped by clean text: Cc, Cf, Co, U+FFFD, but not tab and line ends
bool is_whitespace(char32_t c);       ///< White_Space
bool is_punctuation(char32_t c);      ///< ASCII signs and P* of Unicode 8.0
bool is_cjk(char32_t c);              ///< ideographs; neither Hangul nor kana
bool is_nonspacing_mark(char32_t c);  ///< Mn of Unicode 8.0
bool is_word_character(char32_t c);   ///< letter, mark, digit or joining sign
uint8_t combining_class(char32_t c);  ///< 0 for everything that marks are not sorted across

/// Appends the full canonical decomposition of `c`; marks are not yet in canonical order.
void append_decomposition(char32_t c, std::u32string& out);

/// Appends the lower case of `c` by itself: one character, two for U+0130.
void append_lower_case(char32_t c, std::u32string& out);

/// What decode_utf8 gives for bytes that are not UTF-8.
inline constexpr char32_t kNotUtf8 = 0xFFFFFFFF;

/// The character at `at` (at < end), and `at` moved past it. At kNotUtf8, `at` stays.
/// Strict: no surrogates, no overlong forms, nothing above U+10FFFF.
inline char32_t decode_utf8(const char*& at, const char* end) {
  const auto byte = [&](ptrdiff_t i) { return static_cast<uint8_t>(at[i]); };
  const auto follows = [&](ptrdiff_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  if (lead >= 0xE0 && lead < 0xF0) {
    if (end - at < 3 || !follows(1) || !follows(2)) return kNotUtf8;
    const char32_t c = (lead & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    if (c < 0x800 || (c & 0xF800) == 0xD800) return kNotUtf8;
    at += 3;
    return c;
  }
  if (lead < 0xE0) {
    if (lead < 0xC2 || end - at < 2 || !follows(1)) return kNotUtf8;
    const char32_t c = (lead & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
    at += 2;
    return c;
  }
  if (lead > 0xF4 || end - at < 4 || !follows(1) || !follows(2) || !follows(3)) return kNotUtf8;
  const char32_t c = (lead & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
  if (c < 0x10000 || c > 0x10FFFF) return kNotUtf8;
  at += 4;
  return c;
}

/// Offset of the first byte that does not belong to a character, or npos when `text` is UTF-8.
size_t first_non_utf8(std::string_view text);

/// @param text  must be UTF-8
std::u32string to_utf32(std::string_view text);
std::string to_utf8(std::u32string_view text);

}  // namespace plugtune::text
