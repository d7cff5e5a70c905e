// settle.cc - what an experiment leaves to the data set, decided once the data set is open.
#include "experiment/settle.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/overrides.h"
#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::experiment {

namespace {

using formats::grouped;

void check_train_limit(Experiment& experiment, const SplitSizes& sizes) {
  const int64_t limit = experiment.data.train_limit;
  if (limit <= 0 || static_cast<uint64_t>(limit) <= sizes.train) return;
  experiment.problem("data.train_limit", !sizes.train_limit_problem.empty()
                                             ? sizes.train_limit_problem
                                             : fmt::format("must be between 1 and {} (all examples), got {}",
                                                           grouped(sizes.train), grouped(limit)));
}

void settle_split(Experiment& experiment, const SplitSizes& sizes) {
  std::string& split = experiment.eval_choices.split;
  const size_t asked = split == "validation" ? sizes.validation : split == "test" ? sizes.test : 1;
  if (asked == 0) {
    const bool has_other = (split == "validation" ? sizes.test : sizes.validation) > 0;
    experiment.problem("eval.split", fmt::format("data set '{}' has no {} examples{}", experiment.data.plugin, split,
                                                 !has_other              ? ""
                                                 : split == "validation" ? "; it has: test"
                                                                         : "; it has: validation"));
    return;
  }
  if (split == "auto") split = sizes.validation > 0 ? "validation" : sizes.test > 0 ? "test" : "none";
  if (split == "none" && experiment.eval.every.steps != train::Every::kNever) {
    experiment.problem("eval.every",
                       fmt::format("data set '{}' has neither validation nor test examples to evaluate on; "
                                   "give it some, or write every = \"never\"",
                                   experiment.data.plugin));
  }
}

void settle_metric(Experiment& experiment, const Task& task, const std::vector<std::string>& metrics) {
  std::string& metric = experiment.eval.metric;
  if (metric == "auto") {
    metric = task.kind == TaskKind::kRegression ? "spearman" : task.kind == TaskKind::kText ? "loss" : "accuracy";
  }
  if (std::find(metrics.begin(), metrics.end(), metric) != metrics.end()) return;
  const std::string hint = did_you_mean(metric, metrics);
  experiment.problem("eval.metric", fmt::format("a {} task has no metric '{}'{}metrics: {}", task_name(task.kind),
                                                metric, hint.empty() ? "; " : hint + " ", join(metrics)));
}

}  // namespace

const char* task_name(TaskKind kind) noexcept {
  switch (kind) {
    case TaskKind::kClassification:
      return "classification";
    case TaskKind::kMultiLabel:
      return "multi-label";
    case TaskKind::kRegression:
      return "regression";
    case TaskKind::kText:
      break;
  }
  return "masked-lm";
}

Task settle_task(Experiment& experiment, const Task& data) {
  const std::string language = task_name(TaskKind::kText);
  const Task task = experiment.task.kind == language ? Task{TaskKind::kText, {}, data.pairs} : data;
  const std::string kind = task_name(task.kind);
  if (experiment.task.kind != "auto" && experiment.task.kind != kind) {
    experiment.problem("task.kind", fmt::format("must be \"{}\", the task of data set '{}', got \"{}\"", kind,
                                                experiment.data.plugin, experiment.task.kind));
  }
  experiment.task.kind = kind;
  const bool needs_labels = task.kind == TaskKind::kClassification || task.kind == TaskKind::kMultiLabel;
  if (needs_labels && task.labels.empty()) {
    experiment.problem("data.plugin", fmt::format("data set '{}' gives no labels, and a {} task needs them",
                                                  experiment.data.plugin, kind));
  }
  for (const char* key : {"mask_probability", "whole_words", "train_head", "next_sentence"}) {
    if (kind != language && find_key(experiment.tables, fmt::format("task.{}", key)) != nullptr) {
      experiment.problem(fmt::format("task.{}", key),
                         fmt::format("is a setting of {} tasks alone, and this one is {}", language, kind));
    }
  }
  if (kind == language && !experiment.task.next_sentence && experiment.task.train_pooler != TrainPooler::kAuto)
    experiment.problem("task.train_pooler", fmt::format("a {} task has no pooler; leave it out", language));
  if (kind == language && experiment.task.next_sentence && data.pairs)
    experiment.problem(
        "task.next_sentence",
        fmt::format("makes pairs of documents, and data set '{}' has pairs already", experiment.data.plugin));
  return task;
}

void settle_evaluation(Experiment& experiment, const Task& task, const SplitSizes& sizes,
                       const std::vector<std::string>& metrics) {
  check_train_limit(experiment, sizes);
  settle_split(experiment, sizes);
  settle_metric(experiment, task, metrics);
  const bool evaluates = experiment.eval.every.steps != train::Every::kNever && experiment.eval_choices.split != "none";
  std::string& keep = experiment.eval_choices.keep;
  if (keep == "auto") keep = evaluates && experiment.eval_choices.split == "validation" ? "best" : "last";
  experiment.eval.keep_best = keep == "best";
}

}  // namespace plugtune::experiment
