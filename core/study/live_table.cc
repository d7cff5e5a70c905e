// live_table.cc - a sweep as a person follows it.
#include "study/live_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <ostream>

#include "experiment/experiment.h"
#include "report/text_table.h"

namespace plugtune::study {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenDrawings = 500ms;
constexpr int64_t kTailBytes = 8192;  // room for the last lines of a log

/// "2/3 0.8712": runs that are finished, and the mean of their metric.
std::string cell(const View& view, const std::vector<const PlannedRun*>& runs, size_t of, const std::string& metric) {
  if (of == 0) return "";
  double sum = 0;
  size_t finished = 0, failed = 0;
  for (const PlannedRun* run : runs) {
    const Status& status = view.board.status(run->id);
    failed += status.phase == Phase::kFailed ? 1 : 0;
    if (status.phase != Phase::kFinished) continue;
    ++finished;
    for (const auto& [name, value] : status.report->final_metrics().values)
      if (name == metric) sum += value;
  }
  std::string text = fmt::format("{}/{}", finished, of);
  if (finished > 0 && !metric.empty())
    text += fmt::format(" {}", report::metric_text(sum / static_cast<double>(finished)));
  return failed > 0 ? text + fmt::format(", {} failed", failed) : text;
}

std::vector<const PlannedRun*> runs_of(const Plan& plan, size_t method, bool is_search, const ConfigNode* size) {
  std::vector<const PlannedRun*> runs;
  for (const PlannedRun& run : plan.runs) {
    const bool is_size = size == nullptr || whole(run.key.size) == whole(*size);
    if (run.key.method == method && run.key.is_search == is_search && is_size) runs.push_back(&run);
  }
  return runs;
}

}  // namespace

RunningRun running_run(const PlannedRun& run, const std::filesystem::path& log) {
  RunningRun running{run.id};
  std::ifstream file(log, std::ios::binary | std::ios::ate);
  if (!file) return running;
  file.seekg(std::max<int64_t>(0, static_cast<int64_t>(file.tellg()) - kTailBytes));
  const experiment::Experiment settings = experiment::experiment_of(run.tables, "study");
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step") || !json.contains("epoch")) continue;
    running.done = settings.train.steps > 0 ? json["step"].get<double>() / static_cast<double>(settings.train.steps)
                                            : json["epoch"].get<double>() / settings.train.epochs;
    if (json.contains("loss") && json["loss"].is_number()) running.loss = json["loss"].get<double>();
  }
  running.done = std::clamp(running.done, 0.0, 1.0);
  return running;
}

std::string count_text(const View& view) {
  return fmt::format("{} of {} runs{}", view.finished, view.total,
                     view.finished >= view.total ? ""
                     : view.seconds_left ? fmt::format(", about {} left", report::duration_text(*view.seconds_left))
                                         : "");
}

std::string view_text(const View& view) {
  const bool searches = view.study.search.has_value();
  std::vector<report::TextTable::Column> columns;
  columns.reserve(view.study.sizes.size() + 3);
  columns.push_back({"method", false});
  if (searches) columns.push_back({"search", true}), columns.push_back({"rate", true});
  for (const ConfigNode& size : view.study.sizes)
    columns.push_back({fmt::format("n = {}", size_text(whole(size))), true});
  report::TextTable table(std::move(columns));
  for (size_t i = 0; i < view.study.methods.size(); ++i) {
    const Method& method = view.study.methods[i];
    if (method.is_source && !has_search(view.study, i)) continue;
    std::vector<std::string> row = {method.name};
    const Choice& choice = view.plan.choices[i];
    if (searches) {
      row.push_back(has_search(view.study, i)
                        ? cell(view, runs_of(view.plan, i, true, nullptr), static_cast<size_t>(choice.search_runs), "")
                        : "");
      row.push_back(choice.rate && real(*choice.rate) > 0 ? rate_text(real(*choice.rate)) : "");
    }
    for (const ConfigNode& size : view.study.sizes)
      row.push_back(cell(view, runs_of(view.plan, i, false, &size), method.runs_at(whole(size)), view.metric));
    table.add(std::move(row));
  }
  std::string text = table.terminal();
  for (const RunningRun& run : view.running)
    text += fmt::format("{:>3.0f} %  {}{}\n", 100 * run.done, run.id,
                        std::isfinite(run.loss) ? fmt::format("  loss {}", report::metric_text(run.loss)) : "");
  return text + count_text(view) + "\n";
}

void LiveTable::erase() {
  if (lines_ > 0) out_ << fmt::format("\x1b[{}A\r\x1b[J", lines_) << std::flush;
  lines_ = 0;
}

bool LiveTable::is_due() const {
  return !quiet_ && terminal_.live && (lines_ == 0 || std::chrono::steady_clock::now() - drawn_ >= kBetweenDrawings);
}

void LiveTable::show(const View& view) {
  if (quiet_ || !terminal_.live) return;
  drawn_ = std::chrono::steady_clock::now();
  erase();
  // A line that wraps would not be counted.
  const auto width = static_cast<size_t>(std::max(1, terminal_.width() - 1));
  const std::string text = view_text(view);
  for (size_t begin = 0; begin < text.size(); ++lines_) {
    const size_t end = text.find('\n', begin);
    out_ << text.substr(begin, std::min(end - begin, width)) << "\n";
    begin = end + 1;
  }
  out_ << std::flush;
}

void LiveTable::line(const std::string& text) {
  if (quiet_) return;
  erase();
  out_ << text << std::endl;
}

}  // namespace plugtune::study
