#pragma once
// wording.h - numbers, shapes and the system's reasons as they appear in messages.

#include <torch/types.h>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <string>

namespace plugtune::formats {

std::string grouped_digits(std::string digits);

/// 9834496 -> "9,834,496".
template <std::integral Number>
std::string grouped(Number number) {
  return grouped_digits(std::to_string(number));
}

/// 12345678 -> "12.3 MB"; below a megabyte "12.3 kB", below a kilobyte "123 bytes".
std::string size_text(uint64_t bytes);

/// "(768, 3072)", "()" for a scalar.
std::string shape_text(torch::IntArrayRef shape);

/// The system's reason for an errno, in lower case: "permission denied".
std::string system_reason(int error_number);

/// "; did you mean 'quickstart.toml'?" of what lies where the path leads to and is called alike but for its stem or but for what
/// follows it, or "".
std::string neighbour_hint(const std::filesystem::path& path);

/// "x/y.json: not found (working directory /home/me)"; the directory only where the path is relative. With the
/// nearest name beside it, where there is one: "...; did you mean 'y.json'?"
std::string not_found(const std::filesystem::path& path);

}  // namespace plugtune::formats
