#pragma once
// delimited.h - CSV and TSV: rows of cells with a character between, quoted as in RFC 4180 where there is a quote.

#include <memory>
#include <string>
#include <vector>

#include "plugtune/blocks/text_file.h"

#include "cell.h"
#include "settings.h"

namespace table {

struct Dialect {
  char delimiter = ',';
  char quote = '"';  ///< '\0': none, every character is itself
};

/// The settings', or what the format and the first line of the file say.
Dialect dialect_of(const plugtune::TextFile& file, const Settings& settings, Format format);

/// All cells of each row, one after another. A cell that begins with the quote may hold delimiters and line breaks; anywhere
/// else a quote is a character. Blank lines are passed over.
class DelimitedReader {
 public:
  DelimitedReader(const plugtune::TextFile& file, Dialect dialect, plugtune::FileProblems& problems)
      : text_(file.text()),
        file_(file),
        dialect_(dialect),
        problems_(problems) {}
  /// False at the end, and after a quote that is never closed or followed by text: what comes then cannot be told.
  bool next(std::vector<Cell>& cells);
  size_t row_begin() const noexcept { return row_begin_; }

 private:
  bool quoted_cell(Cell& cell, size_t column);
  void plain_cell(Cell& cell);
  /// Nothing but carriage returns before the line feed, or the end of the file.
  bool is_line_end(size_t at) const;
  bool end_of_row();

  std::string_view text_;
  const plugtune::TextFile& file_;
  Dialect dialect_;
  plugtune::FileProblems& problems_;
  size_t at_ = 0, row_begin_ = 0;
};

/// What the training file's first line said, for the other files: with columns by number a header cannot be told otherwise.
struct FirstLine {
  bool is_read = false;
  std::vector<std::string> header;  ///< empty: there is none
};

/// The rows of a CSV or TSV file with the columns that the settings name. Notes what it does not find in `config`: call
/// config.reject_unknown() before the first row.
std::unique_ptr<Rows> delimited_rows(const plugtune::TextFile& file, const Settings& settings, Dialect dialect,
                                     const plugtune::ConfigView& config, plugtune::FileProblems& problems,
                                     FirstLine& training);

}  // namespace table
