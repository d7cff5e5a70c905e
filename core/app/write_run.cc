// write_run.cc - a run that nobody trained here: its directory.
#include "app/write_run.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "app/foreign.h"
#include "app/run_files.h"
#include "experiment/run_directory.h"
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

}  // namespace

void check_new_run(const std::string& command, const std::filesystem::path& run) {
  if (experiment::run_state(run) != experiment::RunState::kAbsent) {
    throw Error(fmt::format("{}: {} exists already; choose another --output, or remove it", command, run.string()));
  }
}

void write_finished_run(Session& session, const std::filesystem::path& run) {
  const experiment::RunDirectory directory(run, session.resolved, /*resume=*/false);
  write_delta(directory.paths(), train::collect_delta(session.model()), session.delta_info());
  report::RunReport report = report_of(session);
  report.delta_bytes = static_cast<int64_t>(std::filesystem::file_size(directory.paths().delta_tensors()));
  report::write_report(directory.paths().report(), report);
}

}  // namespace plugtune::app
