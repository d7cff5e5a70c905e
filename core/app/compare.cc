// compare.cc - `plugtune compare`: several runs side by side.
#include "report/compare.h"

#include <iostream>

#include "app/command_line.h"
#include "formats/atomic_file.h"

namespace plugtune::app {

namespace {

std::string in_format(const std::string& format, const std::vector<report::ComparedRun>& runs) {
  if (format == "markdown") return report::compare_markdown(runs);
  if (format == "csv") return report::compare_csv(runs);
  if (format == "json") return report::compare_json(runs);
  return report::compare_table(runs);
}

}  // namespace

int compare_command(const Arguments& arguments) {
  CommandLine line(
      "compare",
      "Puts finished runs side by side: what trained, how good it became on the test split (without one: in\n"
      "training's own evaluation), what it cost. A run that cannot be read is named; the others are compared.",
      {"plugtune compare runs/first runs/second", "plugtune compare runs/* --format csv > runs.csv"});
  line.positional("run", /*many=*/true)
      .choice("format", {"table", "markdown", "csv", "json"}, "how it is printed")
      .value("html", "FILE", "also write a page: what runs are worth against what they cost, and their courses");
  if (!line.parse(arguments)) return kDone;

  const report::Comparison comparison = report::read_runs(line.texts("run"));
  if (!comparison.runs.empty()) {
    std::cout << in_format(line.text("format"), comparison.runs);
    if (line.has("html")) formats::write_file_atomically(line.text("html"), report::compare_html(comparison.runs));
  }
  if (!comparison.problems.empty()) throw Error(comparison.problems);
  return kDone;
}

}  // namespace plugtune::app
