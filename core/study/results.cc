// results.cc - what a study came to.
#include "study/results.h"

#include <algorithm>
#include <utility>

#include "experiment/experiment.h"
#include "experiment/overrides.h"
#include "study/estimate.h"
#include "study/sweep.h"
#include "train/metrics.h"

namespace plugtune::study {
namespace {

constexpr uint64_t kBootstrapSeed = 20200413;  // any; the same each time

/// The runs' metrics in the order in which they first appear, the loss last.
std::vector<std::pair<std::string, Mean>> metrics_of(const std::vector<SeededRun>& runs) {
  std::vector<std::pair<std::string, std::vector<double>>> values;
  for (const SeededRun& run : runs) {
    for (const auto& [name, value] : run.report->final_metrics().values) {
      auto at = std::ranges::find(values, name, [](const auto& entry) { return entry.first; });
      if (at == values.end()) at = values.insert(values.end(), {name, {}});
      at->second.push_back(value);
    }
  }
  std::ranges::stable_partition(values, [](const auto& entry) { return entry.first != "loss"; });
  std::vector<std::pair<std::string, Mean>> means;
  for (const auto& [name, list] : values)
    means.emplace_back(name, mean_of(list));
  return means;
}

/// Training alone, without evaluations, as the paper's times.
double epoch_seconds(const report::RunReport& report, const ConfigNode& tables) {
  const int64_t batch = experiment::experiment_of(tables, "study").train.batch_size;
  const int64_t steps = (report.data.train_examples + batch - 1) / batch;  // of an epoch, whose last one may be short
  if (report.result.steps == 0) return NAN;
  return report.result.train_seconds / static_cast<double>(report.result.steps) * static_cast<double>(steps);
}

ResultRow row_of(const Study& study, const Plan& plan, const Board& board, size_t method, const ConfigNode& size) {
  ResultRow row;
  row.method = method;
  row.of = study.methods[method].runs_at(whole(size));
  std::vector<double> epochs, totals;
  for (const PlannedRun& run : plan.runs) {
    const auto& report = board.status(run.id).report;
    if (run.key.method != method || run.key.is_search || whole(run.key.size) != whole(size) || !report) continue;
    row.runs.push_back({run.key.seed, &*report});
    const ConfigNode* rate = experiment::find_key(report->experiment, "train.learning_rate");
    if (rate != nullptr) row.rate = real(*rate);
    row.trainable_parameters = report->trainable_parameters;
    row.trainable_fraction = report->trainable_fraction;
    epochs.push_back(epoch_seconds(*report, run.tables));
    totals.push_back(report->total_seconds);
  }
  row.metrics = metrics_of(row.runs);
  row.epoch_seconds = times_of(epochs);
  row.total_seconds = times_of(totals);
  return row;
}

/// @param but  not this one; nullptr: any
const ResultRow* best_of(const std::vector<ResultRow>& rows, const std::string& metric, const ResultRow* but) {
  const ResultRow* best = nullptr;
  for (const ResultRow& row : rows) {
    const Mean* mean = row.find(metric);
    if (&row == but || mean == nullptr || !std::isfinite(mean->value)) continue;
    if (best == nullptr || train::is_better(metric, mean->value, best->find(metric)->value)) best = &row;
  }
  return best;
}

/// Rows that have runs: the best one, where it is the reference the second best, and the others in the file's order.
std::vector<const ResultRow*> in_order(const Study& study, const std::vector<ResultRow>& rows, const ResultRow& best,
                                       const std::string& metric) {
  const ResultRow* second = best.method == study.reference ? best_of(rows, metric, &best) : nullptr;
  std::vector<const ResultRow*> order = {&best};
  if (second != nullptr) order.push_back(second);
  for (const ResultRow& row : rows)
    if (&row != &best && &row != second && !row.runs.empty()) order.push_back(&row);
  return order;
}

/// All pairs, and those of them that are told.
void compare_all(const Study& study, const ResultRow& best, const std::string& metric, SizeResults& results) {
  const std::vector<const ResultRow*> order = in_order(study, results.rows, best, metric);
  const bool is_reference_best = best.method == study.reference;
  Bootstrap bootstrap(metric, kBootstrapSeed);
  std::vector<bool> is_told;
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t j = i + 1; j < order.size(); ++j) {
      const ResultRow *first = order[i], *second = order[j];
      if (i > 0 && first->method == study.reference) std::swap(first, second);  // others are set beside it
      results.pairs.push_back(compare_methods(study.methods[first->method].name, first->runs,
                                              study.methods[second->method].name, second->runs, bootstrap));
      is_told.push_back(i == 0 || (is_reference_best ? i == 1 : second->method == study.reference));
    }
  }
  correct_for_number(results.pairs);
  for (size_t i = 0; i < is_told.size(); ++i)
    if (is_told[i]) results.comparisons.push_back(results.pairs[i]);
}

void set_relative_times(std::vector<ResultRow>& rows, const Times& reference) {
  for (ResultRow& row : rows)
    if (row.epoch_seconds.is_steady() && reference.is_steady())
      row.relative_time = row.epoch_seconds.median / reference.median;
}

SizeResults size_results(const Study& study, const Plan& plan, const Board& board, const ConfigNode& size,
                         const std::string& metric) {
  SizeResults results;
  results.size = whole(size);
  for (size_t i = 0; i < study.methods.size(); ++i)
    if (!study.methods[i].is_source) results.rows.push_back(row_of(study, plan, board, i, size));
  set_relative_times(results.rows, results.rows[study.reference].epoch_seconds);
  const ResultRow* best = best_of(results.rows, metric, nullptr);
  if (best == nullptr) return results;
  results.best = study.methods[best->method].name;
  compare_all(study, *best, metric, results);
  return results;
}

}  // namespace

const Mean* ResultRow::find(const std::string& metric) const {
  const auto at = std::ranges::find(metrics, metric, [](const auto& entry) { return entry.first; });
  return at == metrics.end() ? nullptr : &at->second;
}

std::string edge_of(const Choice& choice) {
  if (!choice.rate || choice.tried.size() < 2) return "";
  const auto [smallest, largest] = std::ranges::minmax(choice.tried, {}, &TriedRate::rate);
  const double rate = real(*choice.rate);
  return rate == largest.rate ? "largest" : rate == smallest.rate ? "smallest" : "";
}

Results results_of(const Study& study, const Plan& plan, const Board& board) {
  Results results;
  const View view = view_of(study, plan, board);
  results.metric = view.metric;
  results.finished = view.finished, results.total = view.total;
  results.search_metric = search_metric(study, plan, board);
  results.choices = plan.choices;
  for (const ConfigNode& size : study.sizes) {
    results.sizes.push_back(size_results(study, plan, board, size, view.metric));
    for (const ResultRow& row : results.sizes.back().rows)
      for (const SeededRun& run : row.runs)
        results.split = run.report->final_split();
  }
  return results;
}

}  // namespace plugtune::study
