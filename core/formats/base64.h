#pragma once
// base64.h - bytes as text, RFC 4648 with padding.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugtune::formats {

std::string to_base64(const std::vector<uint8_t>& bytes);
/// nullopt when the text is not Base64 of whole bytes.
std::optional<std::vector<uint8_t>> from_base64(std::string_view text);

}  // namespace plugtune::formats
