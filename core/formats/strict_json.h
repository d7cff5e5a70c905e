#pragma once
// strict_json.h - JSON as its writer meant it: no key twice, no bottomless nesting, UTF-8.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace plugtune::formats {

/// @param subject  what messages begin with, usually the path.
/// Throws Error on anything that is not JSON, on a key that appears twice in one object and on nesting deeper than
/// `max_depth` (libraries disagree on which of two equal keys counts, so a file with two means two things).
/// @return  with the keys in their order
nlohmann::ordered_json parse_json(std::string_view text, const std::string& subject, int max_depth = 64);

/// The text of a small file. Throws Error when it cannot be read or has more than `max_bytes`.
std::string read_text(const std::filesystem::path& path, uint64_t max_bytes = 64'000'000);

/// The line, from 1, where the outermost object of `text` has `key`; 0 when it has not. `text` is valid JSON.
int line_of_key(std::string_view text, std::string_view key);

}  // namespace plugtune::formats
