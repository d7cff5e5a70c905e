#pragma once
// normalizer.h - BertNormalizer, pass by pass as the reference does it, and Unicode's NFC.
//
// Written to be read and to be the truth for char_table.h, which does the same in one look-up per character. Runs itself
// only on the texts where that is not possible.

#include <string>
#include <string_view>

namespace plugtune::text {

struct NormalizerOptions {
  bool clean_text = true;              ///< drop control characters, make white space a plain space
  bool tokenize_chinese_chars = true;  ///< a space on both sides of every ideograph
  bool strip_accents = true;           ///< decompose, sort the marks, drop the nonspacing ones
  bool lowercase = true;

  bool operator==(const NormalizerOptions&) const = default;
};

std::u32string normalize(std::u32string_view text, const NormalizerOptions& options);

/// Canonical composition: what data.normalize = "nfc" does before anything else sees the text.
/// @param text  must be UTF-8
std::string compose_nfc(std::string_view text);

}  // namespace plugtune::text
