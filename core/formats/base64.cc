// base64.cc - bytes as text, RFC 4648 with padding.
#include "formats/base64.h"

namespace plugtune::formats {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int kBitsPerDigit = 6, kBitsPerByte = 8, kDigitsPerGroup = 4;

}  // namespace

std::string to_base64(const std::vector<uint8_t>& bytes) {
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const uint8_t byte : bytes) {
    bits = (bits << kBitsPerByte) | byte;
    for (count += kBitsPerByte; count >= kBitsPerDigit;) {
      count -= kBitsPerDigit;
      text += kDigits[(bits >> count) & 63U];
    }
  }
  if (count > 0) text += kDigits[(bits << (kBitsPerDigit - count)) & 63U];
  while (text.size() % kDigitsPerGroup != 0)
    text += '=';
  return text;
}

std::optional<std::vector<uint8_t>> from_base64(std::string_view text) {
  if (text.size() % kDigitsPerGroup != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding)
    text.remove_suffix(1);
  if (text.size() % kDigitsPerGroup == 1) return std::nullopt;
  std::vector<uint8_t> bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == kDigits.npos) return std::nullopt;
    bits = (bits << kBitsPerDigit) | static_cast<uint32_t>(digit);
    count += kBitsPerDigit;
    if (count < kBitsPerByte) continue;
    count -= kBitsPerByte;
    bytes.push_back(static_cast<uint8_t>(bits >> count));
  }
  const bool rest_is_zero = (bits & ((1U << count) - 1)) == 0;
  return rest_is_zero ? std::optional(bytes) : std::nullopt;
}

}  // namespace plugtune::formats
