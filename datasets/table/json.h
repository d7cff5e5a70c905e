#pragma once
// json.h - a strict reader of one JSON object (RFC 8259): where its members lie. Nested values are checked and passed over.

#include <string>
#include <string_view>
#include <vector>

#include "cell.h"

namespace table {

struct Member {
  Cell key;  ///< kPlain or kJsonString
  Cell value;
};

/// What is wrong and where.
struct JsonFault {
  size_t at = 0;        ///< byte of the file
  std::string problem;  ///< "expected ':' after the key, got '}'"
};

/// Reads the object that is file[begin, end), white space around it allowed. False with `fault` when it is not one.
bool read_json_object(std::string_view file, size_t begin, size_t end, std::vector<Member>& members, JsonFault& fault);

/// The elements of an array that read_json_object() has accepted.
std::vector<Cell> json_elements(std::string_view file, const Cell& array);

/// The inside of an accepted string, escapes resolved.
std::string decode_json_string(std::string_view written);

}  // namespace table
