// normalizer.cc - BertNormalizer in its four passes (formats.md, 2), and NFC by utf8proc.
#include "text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "text/unicode.h"

namespace plugtune::text {
namespace {

std::u32string clean(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (!is_control(c)) out += is_whitespace(c) ? U' ' : c;
  }
  return out;
}

std::u32string space_out_cjk(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (is_cjk(c)) {
      out += {U' ', c, U' '};
    } else {
      out += c;
    }
  }
  return out;
}

std::u32string strip_accents(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text)
    append_decomposition(c, out);
  // Canonical order: between two characters of class 0, marks are sorted by class and keep their order within one.
  for (auto mark = out.begin(); mark != out.end();) {
    const auto is_starter = [](char32_t c) { return combining_class(c) == 0; };
    mark = std::find_if_not(mark, out.end(), is_starter);
    const auto next = std::find_if(mark, out.end(), is_starter);
    std::stable_sort(mark, next, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    mark = next;
  }
  std::erase_if(out, is_nonspacing_mark);
  return out;
}

std::u32string lower_case(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text)
    append_lower_case(c, out);
  return out;
}

/// True when nothing in `text` can change under NFC, told without looking at tables: everything below U+0300 and the
/// Hangul syllables are composed and compose with nothing of the kind. Most texts are of these, and cost nothing.
bool is_plainly_composed(std::string_view text) {
  const char *at = text.data(), *end = at + text.size();
  while (at != end) {
    const char32_t c = decode_utf8(at, end);
    if (c >= 0x300 && !(c >= 0xAC00 && c <= 0xD7A3)) return false;
  }
  return true;
}

}  // namespace

std::u32string normalize(std::u32string_view text, const NormalizerOptions& options) {
  std::u32string out(text);
  if (options.clean_text) out = clean(out);
  if (options.tokenize_chinese_chars) out = space_out_cjk(out);
  if (options.strip_accents) out = strip_accents(out);
  if (options.lowercase) out = lower_case(out);
  return out;
}

std::string compose_nfc(std::string_view text) {
  if (is_plainly_composed(text)) return std::string(text);
  utf8proc_uint8_t* composed = nullptr;
  // Fails only for want of memory: the text is UTF-8, and composition accepts unassigned code points.
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &composed, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  if (length < 0) throw std::bad_alloc();
  return {reinterpret_cast<const char*>(composed), static_cast<size_t>(length)};
}

}  // namespace plugtune::text
