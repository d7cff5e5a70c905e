// columns.cc - column names and numbers.
#include "columns.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "plugtune/error.h"

#include "labels.h"

namespace table {
namespace {

// Digits mean a position, from 1.
std::optional<size_t> as_number(const std::string& column) {
  size_t number = 0;
  const auto [end, failure] = std::from_chars(column.data(), column.data() + column.size(), number);
  if (column.empty() || failure != std::errc() || end != column.data() + column.size()) return std::nullopt;
  return number;
}

bool all_by_number(const Settings& settings) {
  return std::all_of(std::begin(settings.columns), std::end(settings.columns),
                     [](const std::string& column) { return column.empty() || as_number(column); });
}

// The first line of 'text<tab>label' lines against 'great film<tab>1' lines: its label is seen nowhere else, while the
// others repeat. In doubt it is data.
bool header_by_labels(const plugtune::TextFile& file, const Settings& settings, Dialect dialect) {
  plugtune::FileProblems told_with_the_rows(file);
  DelimitedReader reader(file, dialect, told_with_the_rows);
  const size_t column = *as_number(settings.columns[kLabel]) - 1;
  std::vector<Cell> cells;
  std::string first;
  std::map<std::string, size_t, std::less<>> others;
  for (bool is_first = true; reader.next(cells); is_first = false) {
    if (column >= cells.size()) continue;
    const std::string label(plugtune::trimmed(decode(file.text(), cells[column], dialect.quote)));
    if (is_first) {
      first = label;
      if (settings.kind == plugtune::TaskKind::kRegression) return !parse_number(label);
    } else {
      ++others[label];
    }
  }
  if (!settings.labels.empty()) {
    return std::find(settings.labels.begin(), settings.labels.end(), first) == settings.labels.end();
  }
  const bool others_repeat =
      std::any_of(others.begin(), others.end(), [](const auto& entry) { return entry.second > 1; });
  return !first.empty() && !parse_number(first) && others.find(first) == others.end() && others_repeat;
}

}  // namespace

bool first_line_is_header(const plugtune::TextFile& file, const Settings& settings, Dialect dialect,
                          const std::vector<std::string>& first, const FirstLine& training) {
  if (settings.header) return *settings.header;
  if (!all_by_number(settings)) return true;
  if (training.is_read) return !training.header.empty() && training.header == first;
  return settings.is_labelled() && *as_number(settings.columns[kLabel]) >= 1 &&
         header_by_labels(file, settings, dialect);
}

std::array<ptrdiff_t, kColumns> find_columns(const plugtune::ConfigView& config, const Settings& settings,
                                             const std::string& path, const std::vector<std::string>& first,
                                             bool has_header) {
  std::array<ptrdiff_t, kColumns> columns;
  columns.fill(-1);
  for (size_t i = 0; i < kColumns; ++i) {
    const std::string& wanted = settings.columns[i];
    const char* key = kColumnKeys[i];
    if (wanted.empty()) continue;
    if (const auto number = as_number(wanted)) {
      columns[i] = static_cast<ptrdiff_t>(*number) - 1;
      if (*number >= 1 && *number <= first.size()) continue;
      config.problem(key, "no column " + wanted + " in " + path + ", which has " + std::to_string(first.size()));
      continue;
    }
    if (!has_header) {
      config.problem(key, "must be a column's number when header = false, 1 to " + std::to_string(first.size()) +
                              ", got '" + wanted + "'");
      continue;
    }
    const auto at = std::find(first.begin(), first.end(), wanted);
    columns[i] = at - first.begin();
    if (at == first.end()) {
      config.problem(key, "no column '" + wanted + "' in " + path + near(wanted, first) + "its first line has: " +
                              name_list(first) + "; without a header line give numbers: " + key + " = \"1\"" +
                              (i == kLabel ? "; where there are none: label = \"\"" : ""));
    } else if (const auto again = std::find(at + 1, first.end(), wanted); again != first.end()) {
      config.problem(key, "two columns are called '" + wanted + "' in " + path + ", " + std::to_string(columns[i] + 1) +
                              " and " + std::to_string(again - first.begin() + 1) + "; give the number: " + key +
                              " = \"" + std::to_string(columns[i] + 1) + "\"");
    }
  }
  return columns;
}

std::string near(const std::string& wanted, const std::vector<std::string>& known) {
  const std::string hint = plugtune::did_you_mean(wanted, known);
  return hint.empty() ? "; " : hint + " ";
}

std::string name_list(const std::vector<std::string>& names) {
  constexpr size_t kNamed = 12;
  std::vector<std::string> told;
  for (size_t i = 0; i < std::min(names.size(), kNamed); ++i) {
    const std::string shown = plugtune::shown(names[i]);
    told.push_back(shown.substr(1, shown.size() - 2));
  }
  return plugtune::join(told) +
         (names.size() > kNamed ? " and " + plugtune::grouped(names.size() - kNamed) + " more" : "");
}

}  // namespace table
