// estimate.cc - how long runs will take, from those that are finished.
#include "study/estimate.h"

#include <algorithm>

#include "experiment/experiment.h"
#include "experiment/overrides.h"

namespace plugtune::study {

double trained_examples(const ConfigNode& tables, int64_t all_examples) {
  const experiment::Experiment run = experiment::experiment_of(tables, "study");
  if (run.train.steps > 0) return static_cast<double>(run.train.steps * run.train.batch_size);
  const int64_t examples = run.data.train_limit > 0 ? run.data.train_limit : all_examples;
  return run.train.epochs * static_cast<double>(examples);
}

Estimate::Estimate(const Study& study, const Plan& plan, const Board& board) {
  std::map<size_t, std::vector<Cost>> measured;
  for (const PlannedRun& run : plan.runs) {
    const auto& report = board.status(run.id).report;
    if (!report) continue;
    if (!study.methods[run.key.method].once) all_examples_ = std::max(all_examples_, report->data.train_examples);
    const double examples = trained_examples(run.tables, report->data.train_examples);
    measured[run.key.method].push_back(
        {report->result.train_seconds / std::max(examples, 1.0), report->total_seconds - report->result.train_seconds});
  }
  for (const auto& [method, costs] : measured) {
    Cost mean;
    for (const Cost& cost : costs) {
      mean.seconds_per_example += cost.seconds_per_example / static_cast<double>(costs.size());
      mean.other_seconds += cost.other_seconds / static_cast<double>(costs.size());
    }
    costs_[method] = mean;
  }
}

std::optional<double> Estimate::seconds(const PlannedRun& run) const {
  if (costs_.empty()) return std::nullopt;
  Cost cost;
  if (const auto own = costs_.find(run.key.method); own != costs_.end()) {
    cost = own->second;
  } else {
    for (const auto& [method, other] : costs_) {
      cost.seconds_per_example += other.seconds_per_example / static_cast<double>(costs_.size());
      cost.other_seconds += other.other_seconds / static_cast<double>(costs_.size());
    }
  }
  const double examples = trained_examples(run.tables, all_examples_);
  if (examples <= 0) return std::nullopt;
  return cost.seconds_per_example * examples + cost.other_seconds;
}

std::optional<double> Estimate::seconds_left(const Study& study, const Plan& plan, const Work& work, const Board& board,
                                             const std::map<std::string, double>& done) const {
  double sum = 0, known = 0;
  int64_t planned = 0;
  for (const PlannedRun* run : work.to_train) {
    const std::optional<double> seconds = this->seconds(*run);
    if (!seconds) return std::nullopt;
    const auto part = done.find(run->id);
    sum += *seconds * (part == done.end() ? 1 : 1 - part->second);
    known += *seconds;
    planned += run->is_helper ? 0 : 1;
  }
  // Runs whose rates are not chosen yet take what the planned ones do on average.
  int64_t over = 0;
  for (const PlannedRun& run : plan.runs) {
    const Phase phase = board.status(run.id).phase;
    over += !run.is_helper && (phase == Phase::kFinished || phase == Phase::kFailed) ? 1 : 0;
  }
  const int64_t later = std::max<int64_t>(0, plan.total - over - planned);
  if (later > 0 && planned > 0) sum += known / static_cast<double>(planned) * static_cast<double>(later);
  return sum / static_cast<double>(std::min<int64_t>(study.jobs, std::max<int64_t>(1, planned + later)));
}

}  // namespace plugtune::study
