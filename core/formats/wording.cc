// wording.cc - numbers, shapes and the system's reasons as they appear in messages.
#include "formats/wording.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "plugtune/error.h"

namespace plugtune::formats {

std::string grouped_digits(std::string digits) {
  const size_t first_digit = digits[0] == '-' ? 1 : 0;
  for (size_t place = digits.size(); place > first_digit + 3;)
    digits.insert(place -= 3, 1, ',');
  return digits;
}

std::string size_text(uint64_t bytes) {
  if (bytes >= 1'000'000'000) return fmt::format("{:.1f} GB", static_cast<double>(bytes) * 1e-9);
  if (bytes >= 1'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) * 1e-6);
  if (bytes >= 1'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) * 1e-3);
  return fmt::format("{} bytes", bytes);
}

std::string shape_text(torch::IntArrayRef shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

std::string system_reason(int error_number) {
  std::string reason = std::generic_category().message(error_number);
  if (reason.size() > 1 && reason[1] >= 'a' && reason[1] <= 'z') {
    reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  }
  return reason;
}

std::string neighbour_hint(const std::filesystem::path& given) {
  const std::filesystem::path path = given.has_filename() ? given : given.parent_path();  // "models/ko-mini/"
  constexpr size_t kShortestStem = 4;  // shorter ones resemble everything
  const std::string name = path.filename().string();
  const std::string stem = name.substr(0, name.find('.')), rest = name.substr(stem.size());
  std::vector<std::string> stems, rests;
  std::error_code failure;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  for (std::filesystem::directory_iterator it(folder, failure), end; !failure && it != end; it.increment(failure)) {
    const std::string other = it->path().filename().string();
    const size_t length = std::min(other.find('.'), other.size());
    if (other.substr(length) == rest && stem.size() >= kShortestStem) stems.push_back(other.substr(0, length));
    if (other.substr(0, length) == stem) rests.push_back(other.substr(length));
  }
  std::ranges::sort(stems);
  std::ranges::sort(rests);
  if (const std::string nearest = nearest_name(rest, rests); !nearest.empty())
    return fmt::format("; did you mean '{}{}'?", stem, nearest);
  if (const std::string nearest = nearest_name(stem, stems); !nearest.empty())
    return fmt::format("; did you mean '{}{}'?", nearest, rest);
  return "";
}

std::string not_found(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_symlink(path, ignored)) {
    return fmt::format("{}: not found; it is a link to {}, where nothing is", path.string(),
                       std::filesystem::read_symlink(path, ignored).string());
  }
  const std::string hint = neighbour_hint(path);
  if (path.is_absolute()) return fmt::format("{}: not found{}", path.string(), hint);
  return fmt::format("{}: not found (working directory {}){}", path.string(),
                     std::filesystem::current_path(ignored).string(), hint);
}

}  // namespace plugtune::formats
