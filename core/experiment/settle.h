#pragma once
// settle.h - what an experiment leaves to the data set, decided once the data set is open.

#include <cstddef>
#include <string>
#include <vector>

#include "experiment/experiment.h"
#include "plugtune/dataset.h"

namespace plugtune::experiment {

/// Examples of each split, before any limit.
struct SplitSizes {
  size_t train = 0, validation = 0, test = 0;
  std::string train_limit_problem{};  ///< data::limit_problem() of data.train_limit; "": judged by `train`
};

/// "classification", "multi-label", "regression", "masked-lm".
const char* task_name(TaskKind kind) noexcept;

/// Sets task.kind, notes a problem when the experiment asks for another task than the data set has, or has settings of another.
/// Masked LM can be asked for with any data set: it reads the texts alone.  -> the task that is trained
Task settle_task(Experiment& experiment, const Task& data);

/// Sets eval.metric, eval_choices.split and .keep, and notes what does not fit: a metric that the task has not, a split
/// that is empty, a train_limit beyond what there is (eval_limit is of splits of any size: it is at most that many).
///
/// Evaluation is on the validation split where there is one. Then the best delta is kept, else the last: to choose by
/// the test split would be to train on it.
/// @param metrics  names that the task has, train::metric_names().
void settle_evaluation(Experiment& experiment, const Task& task, const SplitSizes& sizes,
                       const std::vector<std::string>& metrics);

}  // namespace plugtune::experiment
