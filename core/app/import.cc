// import.cc - `plugtune import`: an adapter or checkpoint of another library as a finished run.
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <iostream>

#include "app/command_line.h"
#include "app/foreign.h"
#include "app/run_files.h"
#include "experiment/run_directory.h"
#include "experiment/settle.h"
#include "report/run_report.h"
#include "train/delta.h"

namespace plugtune::app {
namespace {

/// The report of a run that nobody trained here.
report::RunReport report_of(const Session& session) {
  const auto& experiment = session.experiment;
  report::RunReport report;
  report.threads = at::get_num_threads();
  report.started = report::timestamp();
  report.name = experiment.run.name;
  report.seed = experiment.run.seed;
  report.experiment = session.resolved;
  report.model = {experiment.model.path, session.opened.fingerprint, 0};
  for (const auto& [name, parameter] : session.model().own_parameters())
    report.model.parameters += parameter.numel();
  for (size_t i = 0; i < session.methods.all().size(); ++i) {
    const auto& strategy = session.methods.all()[i];
    const int64_t trainable = session.methods.trainable_counts()[i];
    report.strategies.push_back({strategy.name(), strategy.version(), trainable, {}});
    report.trainable_parameters += trainable;
  }
  for (const auto& [name, tensor] : train::collect_delta(session.model()))
    if (is_of_head(session, name)) report.head_parameters += tensor.numel();
  report.trainable_parameters += report.head_parameters;
  int64_t total = report.model.parameters;
  for (const auto& [key, parameter] : session.model().patch_parameters())
    total += parameter.numel();
  report.trainable_fraction = static_cast<double>(report.trainable_parameters) / static_cast<double>(total);
  report.data.plugin = experiment.data.plugin;
  report.data.eval_split = "none";
  report.data.labels = session.task.labels;
  return report;
}

void write_run(Session& session, const std::filesystem::path& run) {
  const experiment::RunDirectory directory(run, session.resolved, /*resume=*/false);
  write_delta(directory.paths(), train::collect_delta(session.model()), session.delta_info());
  report::write_report(directory.paths().report(), report_of(session));
}

}  // namespace

int import_command(const Arguments& arguments) {
  CommandLine line("import",
                   "Takes an adapter, fusion or classifier of peft, AdapterHub or Hugging Face over as a finished run,\n"
                   "which can be evaluated, predicted with, trained on (run.from), fused, merged and exported.",
                   {"plugtune import adapters/sentiment --model models/ko-tiny --output runs/sentiment",
                    "plugtune import peft-dir --model bert-base-multilingual-cased --labels negative,positive --output "
                    "runs/peft"});
  line.positional("DIR")
      .value("output", "RUN", "the run directory to make")
      .value("model", "BASE", "the base model; without it, what the files call their base")
      .value("labels", "A,B,...", "names of the labels, in the order of the outputs; without it, those in the files")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;
  if (!line.has("output")) throw Error("import: --output RUN is required: the run directory to make");
  const std::filesystem::path run = line.text("output");
  if (experiment::run_state(run) != experiment::RunState::kAbsent) {
    throw Error(fmt::format("import: {} exists already; choose another --output, or remove it", run.string()));
  }
  ImportOptions options{line.texts("DIR").front(), line.text("model"), line.text("labels"), run.filename().string()};
  ImportedRun imported = import_foreign(options, line.search_path());
  write_run(imported.session, run);
  for (const std::string& note : imported.notes)
    std::cout << "note  " << note << "\n";
  const Session& session = imported.session;
  std::vector<std::string> strategies;
  for (const auto& strategy : session.methods.all())
    strategies.push_back(strategy.name());
  std::cout << fmt::format("{}: {} of {} on {}, {} labels: {}\n", run.string(), join(strategies, " + "), imported.format,
                           session.experiment.model.path, session.task.labels.size(), join(session.task.labels));
  return kDone;
}

}  // namespace plugtune::app
