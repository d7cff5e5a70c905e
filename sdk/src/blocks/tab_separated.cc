// tab_separated.cc - a header line and rows of as many columns.
#include "plugtune/blocks/tab_separated.h"

namespace plugtune {
inline namespace v1 {
namespace {

/// a, "b" and "c" -> "a, b and c".
std::string listed(const std::vector<std::string>& names, const std::string& quote) {
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) list += i + 1 < names.size() ? ", " : " and ";
    list += quote + names[i] + quote;
  }
  return list;
}

std::string joined(const std::vector<std::string>& names) {
  std::string line;
  for (const std::string& name : names)
    line += (line.empty() ? "" : "\t") + name;
  return line;
}

}  // namespace

void read_tab_separated(const TextFile& file, const std::vector<std::string>& names,
                        const std::function<std::string(const std::vector<std::string_view>&)>& take) {
  LineReader lines(file.text());
  FileProblems problems(file);
  std::string_view line;
  lines.next(line);
  if (line != joined(names)) {
    problems.add(0, "header: must be " + listed(names, "'") + " with tabs between, got " + shown(line));
    problems.throw_if_any();
  }
  const std::string hint = listed(names, "") + " have one tab between them each";
  std::vector<std::string_view> columns;
  while (lines.next(line)) {
    split_columns(line, '\t', columns);
    if (columns.size() != names.size()) {
      problems.add(
          file.offset_of(line),
          "row: must have " + std::to_string(names.size()) + " columns, got " + std::to_string(columns.size()), hint);
    } else if (const std::string problem = take(columns); !problem.empty()) {
      problems.add(file.offset_of(line), problem);
    }
  }
  problems.throw_if_any();
}

}  // namespace v1
}  // namespace plugtune
