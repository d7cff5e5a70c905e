// sweep.cc - `plugtune sweep`: a study, from its file to its table.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "app/command_line.h"
#include "app/study_check.h"
#include "app/study_plan.h"
#include "formats/atomic_file.h"
#include "study/results.h"
#include "study/results_html.h"
#include "study/study_directory.h"
#include "study/sweep.h"
#include "train/interrupt.h"

namespace plugtune::app {
namespace {

std::string in_format(const std::string& format, const study::Study& study, const study::Results& results) {
  if (format == "markdown") return study::results_markdown(study, results);
  if (format == "csv") return study::results_csv(study, results);
  if (format == "json") return study::results_json(study, results).dump(2) + "\n";
  return study::results_text(study, results);
}

study::SweepOptions sweep_options(const CommandLine& line) {
  study::SweepOptions options{std::filesystem::read_symlink("/proc/self/exe").string(), {}, at::get_num_threads()};
  for (const std::string& directory : line.texts("plugin-path"))
    options.plugin_arguments.insert(options.plugin_arguments.end(), {"--plugin-path", directory});
  return options;
}

int show_table(const CommandLine& line, const study::Study& study) {
  study::check_directory(study);
  // The data may be on another machine: then only what the file says is compared with the reports.
  study::Board board(study, check_study(study, line.search_path()).plugins);
  const study::Plan plan = study::current_plan(study, board);
  std::cout << in_format(line.text("format"), study, study::results_of(study, plan, board));
  return kDone;
}

int sweep(const CommandLine& line) {
  const study::Study study = study::read_study(line.texts("STUDY.toml").front(), line.texts("set"));
  study.throw_if_problems();
  if (line.has("table")) return show_table(line, study);
  StudyCheck check = check_study(study, line.search_path());
  if (!check.problems.empty()) throw Error(check.problems);
  study::Board board(study, std::move(check.plugins));
  if (line.has("plan")) {
    study::check_directory(study);
    std::cout << plan_text(study, board, sweep_options(line), line.has("measure"));
    return kDone;
  }

  const study::StudyLock lock(study);
  train::note_interrupts();
  const bool is_text =
      line.text("format") == "table";  // other formats are for programs: nothing else on standard output
  study::LiveTable table(is_text ? std::cout : std::cerr, report::Terminal::of(is_text ? STDOUT_FILENO : STDERR_FILENO),
                         line.has("quiet"));
  table.line(summary_text(study, board));
  const std::vector<std::string> problems = study::Sweep(study, board, sweep_options(line), table).run();
  const study::Plan plan = study::current_plan(study, board);
  const study::Results results = study::results_of(study, plan, board);
  formats::write_file_atomically(study::study_json(study), study::results_json(study, results).dump(2) + "\n");
  formats::write_file_atomically(study.directory / "report.html", study::results_html(study, results));
  table.line("");
  std::cout << in_format(line.text("format"), study, results);
  if (!problems.empty()) throw Error(problems);
  return kDone;
}

}  // namespace

int sweep_command(const Arguments& arguments) {
  CommandLine line(
      "sweep",
      "Trains every run of a study - methods, sizes, seeds, and the rates to choose from - and compares them.\n"
      "It can be stopped, or killed, at any moment: the same command goes on. Each run is a process of its own.",
      {"plugtune sweep configs/study/quick.toml", "plugtune sweep configs/study/quick.toml --plan",
       "plugtune sweep configs/study/quick.toml --table --format markdown"});
  line.positional("STUDY.toml")
      .flag("plan", "tell the runs and how long they will take, and train nothing")
      .flag("measure", "with --plan: train some steps of methods that have no finished run yet, to tell their time")
      .flag("table", "show what is finished, and train nothing")
      .choice("format", {"table", "markdown", "csv", "json"}, "how the results are printed")
      .overrides()
      .plugin_path()
      .quiet();
  return line.parse(arguments) ? sweep(line) : kDone;
}

}  // namespace plugtune::app
