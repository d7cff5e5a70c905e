// sweep.cc - trains what a study still lacks.
#include "study/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "experiment/run_directory.h"
#include "experiment/toml.h"
#include "formats/atomic_file.h"
#include "formats/strict_json.h"
#include "report/text_table.h"
#include "study/study_directory.h"
#include "train/interrupt.h"

namespace plugtune::study {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kBetweenLooks = 20ms;

std::string metric_of(const Study& study, const Plan& plan, const Board& board, bool is_search) {
  for (const PlannedRun& run : plan.runs) {
    const auto& report = board.status(run.id).report;
    const bool is_for_others = study.methods[run.key.method].is_source || (run.is_helper && !is_search);
    if (report && run.key.is_search == is_search && !is_for_others) return report->metric;
  }
  return "";
}

/// replace_extension() would take ".5" of a rate for one.
fs::path with_suffix(fs::path path, const std::string& suffix) { return path += suffix; }

}  // namespace

std::string search_metric(const Study& study, const Plan& plan, const Board& board) {
  if (!study.search) return "";
  const std::string metric = std::get<std::string>(study.search->metric.value);
  return metric != "auto" ? metric : metric_of(study, plan, board, /*is_search=*/true);
}

std::string main_metric(const Study& study, const Plan& plan, const Board& board) {
  for (const auto& [name, table] : study.base) {
    const ConfigNode* node = name == "eval" ? table.find("metric") : nullptr;
    const auto* metric = node != nullptr ? std::get_if<std::string>(&node->value) : nullptr;
    if (metric != nullptr && *metric != "auto") return *metric;
  }
  return metric_of(study, plan, board, /*is_search=*/false);
}

Plan current_plan(const Study& study, Board& board) {
  Plan plan;
  for (size_t known = 0;;) {
    const std::string metric = search_metric(study, plan, board);
    plan = make_plan(study, metric, [&](const std::string& id) { return board.search_value(id, metric); });
    board.look(plan);
    if (plan.runs.size() == known) return plan;
    known = plan.runs.size();
  }
}

View view_of(const Study& study, const Plan& plan, const Board& board) {
  View view{study, plan, board, main_metric(study, plan, board)};
  view.total = plan.total;
  for (const PlannedRun& run : plan.runs)
    view.finished += !run.is_helper && board.status(run.id).phase == Phase::kFinished ? 1 : 0;
  return view;
}

Sweep::Sweep(const Study& study, Board& board, SweepOptions options, LiveTable& table)
    : study_(study),
      board_(board),
      options_(std::move(options)),
      table_(table) {}

void Sweep::begin(const PlannedRun& run) {
  const fs::path directory = board_.directory(run.id);
  wait_until_free(directory);
  // Finished on another machine, and its delta is needed here; or a directory with a copied report alone.
  if (board_.status(run.id).phase == Phase::kFinished) fs::remove_all(directory);
  const fs::path file = board_.experiment_file(run.id);
  formats::write_file_atomically(
      file, fmt::format("# plugtune train {} --output <a new directory>\n# {} of study '{}' ({})\n{}", file.string(),
                        run.id, study_.name, study_.file, experiment::write_toml(run.tables)));
  std::vector<std::string> command = {options_.program,   "train",    file.string(), "--output",
                                      directory.string(), "--resume", "--quiet"};
  command.insert(command.end(), options_.plugin_arguments.begin(), options_.plugin_arguments.end());
  const int threads = std::max(1, options_.threads / static_cast<int>(study_.jobs));
  jobs_.push_back({run, Child(command, threads, with_suffix(directory, ".stderr"))});
  table_.line(fmt::format("{}: {}", run.id, board_.status(run.id).phase == Phase::kStarted ? "goes on" : "begins"));
}

bool Sweep::is_running(const std::string& id) const {
  return std::ranges::any_of(jobs_, [&](const Job& job) { return job.run.id == id; });
}

void Sweep::begin_what_is_ready(const Work& work) {
  for (const PlannedRun* run : work.to_train) {
    if (jobs_.size() >= static_cast<size_t>(study_.jobs)) return;
    const auto is_there = [&](const std::string& id) { return board_.status(id).has_delta && !is_running(id); };
    if (!is_running(run->id) && std::ranges::all_of(run->sources, is_there)) begin(*run);
  }
}

void Sweep::finish(const PlannedRun& run, int status) {
  const fs::path errors = with_suffix(board_.directory(run.id), ".stderr");
  const std::string failure = failure_of(status, formats::read_text(errors));
  std::error_code ignored;
  fs::remove(errors, ignored);
  if (!failure.empty()) formats::write_file_atomically(board_.error_file(run.id), failure + "\n");
  board_.refresh(run, plan_);
  plan_ = current_plan(study_, board_);
  const Status now = board_.status(run.id);
  if (now.phase != Phase::kFinished) return show(fmt::format("{}: failed: {}", run.id, failure));
  std::string text = fmt::format("{}: finished", run.id);
  for (const auto& [name, value] : now.report->final_metrics().values)
    if (name == now.report->metric) text += fmt::format(", {} {}", name, report::metric_text(value));
  show(text + ", " + report::duration_text(now.report->total_seconds));
}

bool Sweep::end_what_is_over() {
  bool any = false;
  for (size_t i = jobs_.size(); i-- > 0;) {
    const std::optional<int> status = jobs_[i].child.poll();
    if (!status) continue;
    const PlannedRun run = jobs_[i].run;
    jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(i));
    finish(run, *status);
    any = true;
  }
  return any;
}

void Sweep::tidy(const Work& work) {
  for (const PlannedRun& run : plan_.runs) {
    // A run that is trained again counts as finished until it is looked at.
    if (board_.status(run.id).phase != Phase::kFinished || study_.keep_all || is_running(run.id)) continue;
    const experiment::RunPaths paths(board_.directory(run.id));
    std::error_code ignored;
    fs::remove_all(paths.checkpoints(), ignored);
    if (work.kept.contains(run.id) || !board_.status(run.id).has_delta) continue;
    fs::remove_all(paths.delta(), ignored);
    board_.refresh(run, plan_);
  }
}

void Sweep::show(const std::string& line) {
  const Work work = work_of(study_, plan_, board_);
  View view = view_of(study_, plan_, board_);
  std::map<std::string, double> done;
  for (const Job& job : jobs_) {
    view.running.push_back(running_run(job.run, experiment::RunPaths(board_.directory(job.run.id)).log()));
    done[job.run.id] = view.running.back().done;
  }
  view.seconds_left = Estimate(study_, plan_, board_).seconds_left(study_, plan_, work, board_, done);
  if (!line.empty()) table_.line(fmt::format("{} ({})", line, count_text(view)));
  table_.show(view);
}

void Sweep::end_jobs() {
  for (const Job& job : jobs_)
    job.child.interrupt();
  for (Job& job : jobs_) {
    while (!job.child.poll())
      std::this_thread::sleep_for(kBetweenLooks);
    std::error_code ignored;
    fs::remove(with_suffix(board_.directory(job.run.id), ".stderr"), ignored);
  }
  jobs_.clear();
}

void Sweep::stop(int signal) {
  end_jobs();
  const View view = view_of(study_, plan_, board_);
  throw train::Interrupted(signal, fmt::format("{}: stopped, {} of {} runs are finished; go on with: plugtune sweep {}",
                                               study_.directory.string(), view.finished, view.total, study_.file));
}

std::vector<std::string> Sweep::problems(const Work& work) const {
  std::vector<std::string> found;
  for (const PlannedRun& run : plan_.runs) {
    const Status& status = board_.status(run.id);
    if (status.phase == Phase::kFailed)
      found.push_back(fmt::format("{}: failed: {}", board_.directory(run.id).string(), status.error));
  }
  for (const PlannedRun* run : work.to_train) {
    for (const std::string& source : run->sources)
      if (!board_.status(source).has_delta)
        found.push_back(
            fmt::format("{}: was not begun, it starts from {}", board_.directory(run->id).string(), source));
  }
  return found;
}

std::vector<std::string> Sweep::run() {
  try {
    return train_all();
  } catch (const Error&) {  // runs of other settings may come into the plan when a rate is chosen
    end_jobs();
    throw;
  }
}

std::vector<std::string> Sweep::train_all() {
  plan_ = current_plan(study_, board_);
  std::error_code ignored;
  for (const PlannedRun& run : plan_.runs)  // what failed is tried again
    if (board_.status(run.id).phase == Phase::kFailed && fs::remove(board_.error_file(run.id), ignored))
      board_.refresh(run, plan_);
  while (true) {
    plan_ = current_plan(study_, board_);
    Work work = work_of(study_, plan_, board_);
    tidy(work);
    begin_what_is_ready(work);
    if (jobs_.empty()) return problems(work);
    while (!end_what_is_over()) {
      if (const int signal = train::pending_interrupt(); signal != 0) stop(signal);
      if (table_.is_due()) show();
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }
}

}  // namespace plugtune::study
