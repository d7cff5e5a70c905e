// report.cc - `plugtune report`: the page of a finished run, written again.
#include <iostream>

#include "app/command_line.h"
#include "experiment/run_directory.h"
#include "formats/atomic_file.h"
#include "report/run_html.h"

namespace plugtune::app {

int report_command(const Arguments& arguments) {
  CommandLine line(
      "report",
      "Writes report.html of finished runs again, from their report.json and log.jsonl: of runs that an older\n"
      "plugtune trained, or that came as these two files alone.",
      {"plugtune report runs/quickstart", "plugtune report runs/quickstart --html page.html"});
  line.positional("run", /*many=*/true).value("html", "FILE", "where one run's page goes; without it RUN/report.html");
  if (!line.parse(arguments)) return kDone;
  const std::vector<std::string> runs = line.texts("run");
  if (line.has("html") && runs.size() > 1)
    throw Error("report: --html is of one run; without it each page goes into its run");
  for (const std::string& run : runs) {
    const std::filesystem::path page =
        line.has("html") ? std::filesystem::path(line.text("html")) : experiment::RunPaths(run).page();
    formats::write_file_atomically(page, report::run_html_of(run));
    std::cout << page.string() << "\n";
  }
  return kDone;
}

}  // namespace plugtune::app
