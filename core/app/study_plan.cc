// study_plan.cc - the runs of a study and how long they will take.
#include "app/study_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "experiment/toml.h"
#include "formats/atomic_file.h"
#include "formats/temporary_directory.h"
#include "report/text_table.h"

namespace plugtune::app {
namespace {

using study::Phase;

constexpr int kSteps = 10, kWarmUp = 3;

const char* phase_text(Phase phase) {
  return phase == Phase::kFinished  ? "finished"
         : phase == Phase::kStarted ? "started"
         : phase == Phase::kFailed  ? "failed"
                                    : "";
}

std::string plural(size_t count, const char* thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

/// Some steps of the method's first run, with `plugtune bench`. Its start-up stands for what is not training.
study::Cost measured(const study::PlannedRun& run, const study::Study& study, const study::SweepOptions& options) {
  const formats::TemporaryDirectory scratch("sweep");
  const std::filesystem::path folder = scratch.path(), file = folder / "experiment.toml";
  formats::write_file_atomically(file, experiment::write_toml(run.tables));
  std::vector<std::string> command = {options.program,        "bench",     file.string(),           "--steps",
                                      std::to_string(kSteps), "--warm-up", std::to_string(kWarmUp), "--json"};
  command.insert(command.end(), options.plugin_arguments.begin(), options.plugin_arguments.end());
  const int threads = std::max(1, options.threads / static_cast<int>(study.jobs));
  const auto json = nlohmann::json::parse(study::output_of(command, threads, folder));
  return {json.at("ms_step").get<double>() / 1e3 / json.at("batch_size").get<double>(),
          json.at("first_step_seconds").get<double>()};
}

void measure_methods(const study::Study& study, const study::Board& board, const study::Work& work,
                     const study::SweepOptions& options, study::Estimate& estimate) {
  for (const study::PlannedRun* run : work.to_train) {
    const auto is_there = [&](const std::string& id) { return board.status(id).has_delta; };
    if (estimate.knows(run->key.method) || !std::ranges::all_of(run->sources, is_there)) continue;
    estimate.add(run->key.method, measured(*run, study, options));
  }
}

std::string left_text(const std::optional<double>& seconds) {
  return seconds ? fmt::format("about {} left", report::duration_text(*seconds)) : "time not known yet";
}

}  // namespace

std::string summary_text(const study::Study& study, study::Board& board) {
  const study::Plan plan = study::current_plan(study, board);
  const study::Work work = study::work_of(study, plan, board);
  const study::View view = study::view_of(study, plan, board);
  const auto left = study::Estimate(study, plan, board).seconds_left(study, plan, work, board, {});
  const auto methods =
      static_cast<size_t>(std::ranges::count_if(study.methods, [](const auto& method) { return !method.is_source; }));
  return fmt::format("study '{}': {}, {}, {}: {} runs, {} of them finished{}; {} at a time, into {}", study.name,
                     plural(methods, "method"), plural(study.sizes.size(), "size"), plural(study.seeds.size(), "seed"),
                     view.total, view.finished, view.finished < view.total ? ", " + left_text(left) : "", study.jobs,
                     study.directory.string());
}

std::string plan_text(const study::Study& study, study::Board& board, const study::SweepOptions& options,
                      bool measure) {
  const study::Plan plan = study::current_plan(study, board);
  const study::Work work = study::work_of(study, plan, board);
  study::Estimate estimate(study, plan, board);
  if (measure) measure_methods(study, board, work, options, estimate);
  report::TextTable table({{"run", false}, {"rate", true}, {"examples", true}, {"state", false}, {"time", true}});
  for (const study::PlannedRun& run : plan.runs) {
    const study::Status& status = board.status(run.id);
    const bool is_due = std::ranges::find(work.to_train, &run) != work.to_train.end();
    if (run.is_helper && !is_due && status.phase != Phase::kFinished) continue;
    const std::optional<double> seconds = status.report ? status.report->total_seconds : estimate.seconds(run);
    const double rate = study::real(run.key.rate);
    table.add({run.id, rate > 0 ? study::rate_text(rate) : "",
               study.methods[run.key.method].once ? "" : study::size_text(study::whole(run.key.size)),
               phase_text(status.phase), seconds ? report::duration_text(*seconds) : "-"});
  }
  std::string text = table.terminal() + "\n";
  for (size_t i = 0; i < plan.choices.size(); ++i) {
    const auto& method = study.methods[i];
    if (plan.choices[i].rate) continue;
    const std::string then =
        method.is_source ? "what starts from it" : plural(method.sizes.size() * method.seeds.size(), "run") + " more";
    text += fmt::format("{}: its rate is chosen from {}; then {}\n", method.name, plural(method.rates.size(), "rate"),
                        then);
  }
  const auto left = estimate.seconds_left(study, plan, work, board, {});
  const study::View view = study::view_of(study, plan, board);
  return text + fmt::format("{} of {} runs are finished, {}\n", view.finished, view.total, left_text(left));
}

}  // namespace plugtune::app
