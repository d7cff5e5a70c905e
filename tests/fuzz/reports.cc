// reports.cc - fuzz target: report.json and delta.json of a run, and everything that is printed from a report.
#include "experiment/delta_info.h"
#include "fuzz/fuzz.h"
#include "report/compare.h"
#include "report/run_html.h"
#include "report/run_report.h"

using namespace plugtune;

namespace {

void try_report(const std::filesystem::path& path) {
  report::RunReport read;
  if (!fuzz::accepted([&] { read = report::read_report(path); })) return;
  fuzz::require(report::run_html(read, {}).ends_with("</html>\n"), "a run has a page");
  const std::vector<report::ComparedRun> runs = {{"runs/a", read}, {"runs/b", read}};
  for (const auto& print : {report::compare_table, report::compare_markdown, report::compare_csv, report::compare_json,
                            report::compare_html}) {
    fuzz::require(!print(runs).empty(), "a comparison says something");
  }
}

void try_delta_info(const std::filesystem::path& path) {
  experiment::DeltaInfo read;
  if (!fuzz::accepted([&] { read = experiment::read_delta_info(path); })) return;
  fuzz::must_succeed("delta.json that was read is written and read", [&] {
    const std::string written = experiment::delta_info_text(read);
    const auto again = experiment::read_delta_info(fuzz::file("again.json", written));
    fuzz::require(experiment::delta_info_text(again) == written, "delta.json stays");
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto path = fuzz::file("x.json", fuzz::text(data, size));
  try_report(path);
  try_delta_info(path);
  return 0;
}
