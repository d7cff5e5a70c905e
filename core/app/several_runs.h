#pragma once
// several_runs.h - finished runs on one loaded base: each in turn, their mean, or several in one batch.

#include <memory>
#include <string>
#include <vector>

#include "app/session.h"
#include "model/shared_base.h"
#include "train/evaluator.h"

namespace plugtune::app {

struct SeveralRuns {
  std::vector<std::string> names;  ///< as they were given
  std::vector<Session> sessions;   ///< in the same order; all have the one model
  std::unique_ptr<model::SharedBase> base;

  const Task& task() const { return sessions.front().task; }
};

/// Opens the base of the first run and puts every run's patches and values aside for it.
/// @param precision  "fp32" or "bf16": what they compute in
/// @param choice  of each, what is said instead
/// Throws Error unless all were trained on that base and answer with the same labels.
SeveralRuns open_runs(const std::vector<std::string>& runs, const plugin::SearchPath& search,
                      const std::string& precision = "fp32", const RunChoice& choice = {});

/// The answers of one run for a data set, read as that run reads texts.
train::Predictions predict_with(SeveralRuns& runs, size_t run, const data::EncodedSplit& encoded);
data::EncodedSplit encode_with(const SeveralRuns& runs, size_t run, const Dataset& dataset, Split split);

/// Throws Error naming every run that cannot be in a batch with others, and why.
void check_can_share_a_batch(const SeveralRuns& runs);
/// Logits (E, labels) of texts that each have a run of their own; rows of different runs go through the base together.
/// @param encoded  of each run, its own texts;  @param places  of each run, where its answers belong among all
Tensor predict_mixed(SeveralRuns& runs, const std::vector<data::EncodedSplit>& encoded,
                     const std::vector<std::vector<int64_t>>& places);

/// Logits whose probabilities are the mean of the runs' probabilities; of a regression, the mean of the values.  (E, labels)
Tensor average_logits(TaskKind kind, const std::vector<Tensor>& logits);

}  // namespace plugtune::app
