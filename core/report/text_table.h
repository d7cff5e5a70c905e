#pragma once
// text_table.h - a table of text, for a terminal, for Markdown and as CSV; and numbers as people read them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plugtune::report {

/// Columns that a terminal uses for UTF-8 text: two for an ideograph or a Hangul syllable, none for a combining mark.
size_t display_width(std::string_view text);

class TextTable {
 public:
  struct Column {
    std::string header;
    bool right_aligned = false;  ///< numbers
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell per column.
  void add(std::vector<std::string> row);
  bool empty() const noexcept { return rows_.empty(); }

  std::string terminal() const;  ///< aligned, two spaces between
  std::string markdown() const;
  std::string csv() const;  ///< RFC 4180

  const std::vector<Column>& columns() const noexcept { return columns_; }
  const std::vector<std::vector<std::string>>& rows() const noexcept { return rows_; }

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "12.3 s", "4:05", "1:02:03".
std::string duration_text(double seconds);
/// "0.8712"; "-" for what is not a number.
std::string metric_text(double value);
/// "0.50 %"; smaller shares with more digits, so that they never show as zero.
std::string share_text(double fraction);
/// "3", "0.25": at most two decimals.
std::string epoch_text(double epoch);

}  // namespace plugtune::report
