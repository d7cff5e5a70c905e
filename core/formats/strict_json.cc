// strict_json.cc - JSON as its writer meant it: no key twice, no bottomless nesting, UTF-8.
#include "formats/strict_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "formats/mapped_file.h"
#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

using Json = nlohmann::ordered_json;

/// "line 3, column 14" of the byte at which the parser stopped (it counts from 1, and past the end by one).
std::string place(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte > 0 ? byte - 1 : 0, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n');
  const size_t column = before.size() - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
  return fmt::format("line {}, column {}", line, column);
}

/// The parser's reason without its own prefix, position and echo of the input.
std::string reason(std::string what) {
  for (const char* start : {"syntax error while parsing ", "] "}) {
    if (const size_t at = what.find(start); at != std::string::npos) {
      what.erase(0, at + std::string_view(start).size());
      break;
    }
  }
  if (const size_t echo = what.find("; last read: "); echo != std::string::npos) {
    const size_t after = what.find("'; expected ", echo);
    what.erase(echo, after == std::string::npos ? std::string::npos : after + 1 - echo);
  }
  return what;
}

/// Follows the parser and refuses what it would accept: equal keys and deep nesting.
class Strictness {
 public:
  Strictness(const std::string& subject, int max_depth) : subject_(subject), max_depth_(max_depth) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > max_depth_) throw Error(fmt::format("{}: is nested deeper than {} levels", subject_, max_depth_));
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.back().insert(parsed.get<std::string>()).second) {
      throw Error(fmt::format("{}: has the key '{}' twice", subject_, parsed.get<std::string>()));
    }
    return true;
  }

 private:
  const std::string& subject_;
  int max_depth_;
  std::vector<std::set<std::string>> keys_;  // of every object that is open
};

}  // namespace

Json parse_json(std::string_view text, const std::string& subject, int max_depth) {
  try {
    return Json::parse(text.begin(), text.end(), Strictness(subject, max_depth));
  } catch (const Json::parse_error& error) {
    throw Error(fmt::format("{}: is not JSON: {} ({})", subject, reason(error.what()), place(text, error.byte)));
  } catch (const Json::exception& error) {  // a number that no double can hold
    throw Error(fmt::format("{}: is not JSON: {}", subject, reason(error.what())));
  }
}

std::string read_text(const std::filesystem::path& path, uint64_t max_bytes) {
  const auto file = MappedFile::open(path);
  if (file->size() > max_bytes) {
    throw Error(fmt::format("{}: is too large to be what its name says: {}, at most {}", path.string(),
                            size_text(file->size()), size_text(max_bytes)));
  }
  return std::string(file->bytes());
}

int line_of_key(std::string_view text, std::string_view key) {
  int line = 1, depth = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c != '"') continue;
    const size_t start = ++at;
    while (at < text.size() && text[at] != '"')
      at += text[at] == '\\' ? 2 : 1;
    if (depth != 1 || text.substr(start, at - start) != key) continue;
    const size_t after = text.find_first_not_of(" \t\r\n", at + 1);
    if (after != std::string_view::npos && text[after] == ':') return line;
  }
  return 0;
}

}  // namespace plugtune::formats
