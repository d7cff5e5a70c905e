#pragma once
// cell.h - one value of a row, where it lies in the file: it is decoded when an example is asked for.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace table {

enum class Form : uint8_t {
  kPlain = 1,   ///< the value is what is written
  kQuoted,      ///< between quotes, with doubled quotes in it
  kJsonString,  ///< the inside of a JSON string, with escapes in it
  kJsonArray,   ///< a JSON array with its brackets
  kJsonObject,  ///< a JSON object with its braces
  kJsonNull,
};

/// Two words, since a table may have many millions. 56 bits are more bytes than any file has: no cell is ever cut.
struct Cell {
  size_t begin = 0;
  uint64_t size : 56 = 0;
  Form form : 8 = Form::kPlain;

  std::string_view written(std::string_view file) const { return file.substr(begin, size); }
};

static_assert(sizeof(Cell) == 16);

/// The cells of a row that the settings ask for.
enum Column : size_t { kText = 0, kTextPair, kLabel, kColumns };
struct Row {
  size_t begin = 0;
  std::array<Cell, kColumns> cells;
};

/// The rows of a file, in either kind of format.
class Rows {
 public:
  virtual ~Rows() = default;
  /// False at the end. Rows with problems are noted and passed over.
  virtual bool next(Row& row) = 0;
};

/// The value. `quote` is the one whose doubles a kQuoted cell has.
std::string decode(std::string_view file, const Cell& cell, char quote);

}  // namespace table
