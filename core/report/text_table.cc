// text_table.cc - a table of text, for a terminal, for Markdown and as CSV; and numbers as people read them.
#include "report/text_table.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "text/unicode.h"

namespace plugtune::report {

namespace {

// East Asian wide and full-width characters (UAX 11), in blocks: what a Korean or Chinese name is made of.
constexpr std::pair<char32_t, char32_t> kWide[] = {
    {0x1100, 0x115F}, {0x2E80, 0x303E}, {0x3041, 0xA4CF}, {0xA960, 0xA97C},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};

size_t width_of(char32_t c) {
  if (c < 0x300) return 1;
  if (text::is_nonspacing_mark(c) || c == 0x200B || c == 0xFEFF) return 0;
  return std::any_of(std::begin(kWide), std::end(kWide),
                     [c](const auto& range) { return range.first <= c && c <= range.second; })
             ? 2
             : 1;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::string csv_cell(std::string cell) {
  if (cell.find_first_of(",\"\r\n") == cell.npos) return cell;
  replace_all(cell, "\"", "\"\"");
  return fmt::format("\"{}\"", cell);
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i)
    line += fmt::format("{}{}", i == 0 ? "" : ",", csv_cell(cells[i]));
  return line + "\n";
}

std::string markdown_line(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (std::string cell : cells) {
    replace_all(cell, "|", "\\|");
    line += fmt::format(" {} |", cell);
  }
  return line + "\n";
}

}  // namespace

size_t display_width(std::string_view text) {
  size_t width = 0;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    const char32_t c = text::decode_utf8(at, end);
    if (c == text::kNotUtf8) ++at;
    width += c == text::kNotUtf8 ? 1 : width_of(c);
  }
  return width;
}

void TextTable::add(std::vector<std::string> row) {
  TORCH_INTERNAL_ASSERT(row.size() == columns_.size());
  rows_.push_back(std::move(row));
}

std::string TextTable::terminal() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(display_width(columns_[i].header));
    for (const auto& row : rows_)
      widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string out;
  const auto line = [&](auto cell) {
    std::string text;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string padding(widths[i] - display_width(cell(i)), ' ');
      text.append(i == 0 ? "" : "  ").append(columns_[i].right_aligned ? padding + cell(i) : cell(i) + padding);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line([&](size_t i) { return columns_[i].header; });
  for (const auto& row : rows_)
    line([&](size_t i) { return row[i]; });
  return out;
}

std::string TextTable::markdown() const {
  std::vector<std::string> headers, rules;
  for (const Column& column : columns_) {
    headers.push_back(column.header);
    rules.push_back(column.right_aligned ? "---:" : "---");
  }
  std::string out = markdown_line(headers) + markdown_line(rules);
  for (const auto& row : rows_)
    out += markdown_line(row);
  return out;
}

std::string TextTable::csv() const {
  std::vector<std::string> headers;
  for (const Column& column : columns_)
    headers.push_back(column.header);
  std::string out = csv_line(headers);
  for (const auto& row : rows_)
    out += csv_line(row);
  return out;
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  if (seconds < 59.95) return fmt::format("{:.1f} s", std::max(seconds, 0.0));
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string metric_text(double value) { return std::isfinite(value) ? fmt::format("{:.4f}", value) : "-"; }

std::string share_text(double fraction) {
  const double percent = 100 * fraction;
  if (percent >= 0.095 || percent == 0) return fmt::format("{:.2f} %", percent);
  return fmt::format("{:.2g} %", percent);
}

std::string epoch_text(double epoch) {
  std::string text = fmt::format("{:.2f}", epoch);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace plugtune::report
