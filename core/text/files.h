#pragma once
// files.h - reading and writing the small text files of a model directory, with the errors that users understand.

#include <filesystem>
#include <string>
#include <string_view>

namespace plugtune::text {

/// The whole file. Throws Error when it cannot be read or is not UTF-8 (naming the line).
std::string read_text_file(const std::filesystem::path& file);

/// Throws Error when the file cannot be written whole.
void write_text_file(const std::filesystem::path& file, std::string_view text);

}  // namespace plugtune::text
