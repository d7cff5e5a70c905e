// files.cc - whole text files.
#include "text/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "plugtune/error.h"
#include "text/unicode.h"

namespace plugtune::text {

std::string read_text_file(const std::filesystem::path& file) {
  std::error_code problem;
  const auto size = std::filesystem::file_size(file, problem);
  // Nothing but a file has a size: a pipe is refused here, and not waited for below.
  if (problem) throw Error(fmt::format("{}: cannot be read: {}", file.string(), problem.message()));
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text;
  if (in) {
    text.resize(size);
    in.read(text.data(), static_cast<std::streamsize>(size));
  }
  if (!in) {
    throw Error(fmt::format("{}: cannot be read: {}", file.string(), std::generic_category().message(errno)));
  }
  if (const size_t at = first_non_utf8(text); at != std::string::npos) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n');
    throw Error(fmt::format("{}: is not UTF-8 at byte {}, got 0x{:02X} ({}:{})", file.string(), at,
                            static_cast<uint8_t>(text[at]), file.string(), line));
  }
  return text;
}

void write_text_file(const std::filesystem::path& file, std::string_view text) {
  errno = 0;
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  out.close();
  if (!out) {
    throw Error(fmt::format("{}: cannot be written: {}", file.string(), std::generic_category().message(errno)));
  }
}

}  // namespace plugtune::text
