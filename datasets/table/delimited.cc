// delimited.cc - one pass over the bytes; a cell is an offset and a length.
#include "delimited.h"

#include <algorithm>

#include "columns.h"

namespace table {
namespace {

// The delimiter that the first line has outside of quotes: German and French spreadsheets write ';' into a .csv file.
char usual_delimiter(std::string_view text, char quote) {
  std::string_view line;
  plugtune::LineReader(text).next(line);
  std::string unquoted;
  bool is_inside = false;
  for (const char c : line) {
    if (c == quote && quote != '\0') is_inside = !is_inside;
    if (!is_inside) unquoted += c;
  }
  for (const char candidate : {',', ';', '\t', '|'}) {
    if (unquoted.find(candidate) != std::string::npos) return candidate;
  }
  return ',';
}

class DelimitedRows final : public Rows {
 public:
  DelimitedRows(const plugtune::TextFile& file, Dialect dialect, plugtune::FileProblems& problems, bool has_header,
                size_t width, const std::array<ptrdiff_t, kColumns>& columns)
      : file_(file),
        reader_(file, dialect, problems),
        problems_(problems),
        dialect_(dialect),
        width_(width),
        columns_(columns),
        has_header_(has_header) {}

  bool next(Row& row) override {
    if (has_header_ && !std::exchange(header_is_read_, true)) reader_.next(cells_);
    while (reader_.next(cells_)) {
      if (cells_.size() == width_) {
        row.begin = reader_.row_begin();
        for (size_t i = 0; i < kColumns; ++i)
          row.cells[i] = columns_[i] < 0 ? Cell{row.begin, 0, Form::kPlain} : cells_[static_cast<size_t>(columns_[i])];
        return true;
      }
      problems_.add(reader_.row_begin(),
                    "row: must have " + std::to_string(width_) + " columns as the first line has, got " +
                        std::to_string(cells_.size()),
                    hint());
    }
    return false;
  }

 private:
  std::string hint() const {
    const std::string delimiter = plugtune::shown({&dialect_.delimiter, 1});
    if (dialect_.quote == '\0') return "a text must not have " + delimiter + " in it, or must be quoted: quote = '\"'";
    const std::string quote(1, dialect_.quote);
    for (const Cell& cell : cells_) {
      const std::string_view written = cell.written(file_.text());
      if (written.starts_with(' ') && plugtune::trimmed(written).starts_with(dialect_.quote))
        return "no blank may stand between " + delimiter + " and a quoted text";
    }
    return "a text with " + delimiter + " in it must be quoted: " + quote + "one" + dialect_.delimiter + " two" + quote;
  }

  const plugtune::TextFile& file_;
  DelimitedReader reader_;
  plugtune::FileProblems& problems_;
  Dialect dialect_;
  size_t width_;
  std::array<ptrdiff_t, kColumns> columns_;
  bool has_header_, header_is_read_ = false;
  std::vector<Cell> cells_;
};

}  // namespace

Dialect dialect_of(const plugtune::TextFile& file, const Settings& settings, Format format) {
  Dialect dialect;
  dialect.quote = settings.quote.value_or(format == Format::kTsv ? '\0' : '"');
  dialect.delimiter =
      settings.delimiter.value_or(format == Format::kTsv ? '\t' : usual_delimiter(file.text(), dialect.quote));
  return dialect;
}

bool DelimitedReader::next(std::vector<Cell>& cells) {
  while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r'))
    ++at_;
  cells.clear();
  row_begin_ = at_;
  if (at_ == text_.size()) return false;
  for (;;) {
    Cell cell;
    if (dialect_.quote != '\0' && at_ < text_.size() && text_[at_] == dialect_.quote) {
      if (!quoted_cell(cell, cells.size() + 1)) return false;
    } else {
      plain_cell(cell);
    }
    cells.push_back(cell);
    if (end_of_row()) return true;
    ++at_;  // the delimiter
  }
}

bool DelimitedReader::quoted_cell(Cell& cell, size_t column) {
  const size_t opened = at_++;
  cell.begin = at_;
  const std::string subject = "column " + std::to_string(column) + ": ";
  const std::string quote(1, dialect_.quote);
  for (;;) {
    at_ = text_.find(dialect_.quote, at_);
    if (at_ == std::string_view::npos) {
      problems_.add(opened, subject + "must have a closing " + quote + " for the one here, got the end of the file",
                    "double a " + quote + " inside a text, or set quote = \"\" if it is a character like others");
      at_ = text_.size();
      return false;
    }
    if (at_ + 1 == text_.size() || text_[at_ + 1] != dialect_.quote) break;
    cell.form = Form::kQuoted;
    at_ += 2;
  }
  cell.size = at_++ - cell.begin;
  if (at_ == text_.size() || text_[at_] == dialect_.delimiter || is_line_end(at_)) return true;
  size_t length = 1;  // one whole character
  while (at_ + length < text_.size() && (static_cast<uint8_t>(text_[at_ + length]) & 0xC0) == 0x80)
    ++length;
  problems_.add(at_,
                subject + "must end after its closing " + quote + ", got " +
                    plugtune::shown(text_.substr(at_, length)) + "; the cell begins in line " +
                    std::to_string(file_.line_of(opened)),
                "double a " + quote + " inside a text, or set quote = \"\" if it is a character like others");
  at_ = text_.size();
  return false;
}

void DelimitedReader::plain_cell(Cell& cell) {
  cell.begin = at_;
  const char delimiter = dialect_.delimiter;
  while (at_ < text_.size() && text_[at_] != delimiter && text_[at_] != '\n')
    ++at_;
  cell.size = at_ - cell.begin;
  const bool ends_row = at_ == text_.size() || text_[at_] == '\n';
  while (ends_row && cell.size > 0 && text_[cell.begin + cell.size - 1] == '\r')
    --cell.size;
}

bool DelimitedReader::is_line_end(size_t at) const {
  at = std::min(text_.find_first_not_of('\r', at), text_.size());
  return at == text_.size() || text_[at] == '\n';
}

bool DelimitedReader::end_of_row() {
  if (at_ < text_.size() && text_[at_] == '\r' && is_line_end(at_))  // after a quoted cell
    at_ = std::min(text_.find_first_not_of('\r', at_), text_.size());
  if (at_ == text_.size()) return true;
  if (text_[at_] != '\n') return false;
  ++at_;
  return true;
}

std::unique_ptr<Rows> delimited_rows(const plugtune::TextFile& file, const Settings& settings, Dialect dialect,
                                     const plugtune::ConfigView& config, plugtune::FileProblems& problems,
                                     FirstLine& training) {
  plugtune::FileProblems told_with_the_rows(file);
  std::vector<Cell> cells;
  DelimitedReader(file, dialect, told_with_the_rows).next(cells);
  std::vector<std::string> first;
  for (const Cell& cell : cells)
    first.push_back(std::string(plugtune::trimmed(decode(file.text(), cell, dialect.quote))));

  const bool has_header = first_line_is_header(file, settings, dialect, first, training);
  if (!training.is_read) training = {true, has_header ? first : std::vector<std::string>{}};
  const auto columns = find_columns(config, settings, file.path(), first, has_header);
  return std::make_unique<DelimitedRows>(file, dialect, problems, has_header, first.size(), columns);
}

}  // namespace table
