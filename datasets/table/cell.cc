// cell.cc - from what is written to what is meant.
#include "cell.h"

#include "json.h"

namespace table {
namespace {

std::string without_doubles(std::string_view text, char quote) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    out += text[i];
    if (text[i] == quote) ++i;  // the second one of a pair
  }
  return out;
}

}  // namespace

std::string decode(std::string_view file, const Cell& cell, char quote) {
  const std::string_view written = cell.written(file);
  switch (cell.form) {
    case Form::kQuoted:
      return without_doubles(written, quote);
    case Form::kJsonString:
      return decode_json_string(written);
    case Form::kJsonNull:
      return "";
    default:
      return std::string(written);
  }
}

}  // namespace table
