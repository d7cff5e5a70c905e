#pragma once
// metrics.h - how good predictions are, as scikit-learn and scipy define it.

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/dataset.h"
#include "plugtune/layout.h"

namespace plugtune::train {

/// Numbers by name, in the order in which they are shown.
struct Metrics {
  std::vector<std::pair<std::string, double>> values;
  std::vector<std::vector<int64_t>> confusion;  ///< [true label][predicted label]; classification only
  /// Of each label how often it was found, said wrongly, missed; multi-label only.
  std::vector<std::array<int64_t, 3>> label_counts{};

  /// Throws Error that lists the names there are.
  double at(const std::string& name) const;
};

/// Of masked LM, over the chosen tokens: loss, accuracy, perplexity (exp of the loss).
Metrics language_metrics(double loss, int64_t correct, int64_t tokens);

/// The same of a pretraining with next sentences: their loss is in "loss", "masked_lm_loss" and "next_sentence_loss" tell them apart.
Metrics with_next_sentence(const Metrics& language, double loss, int64_t correct, int64_t sequences);

/// Whether a value of the metric is better than another: losses, errors and perplexity count downwards.
bool is_better(const std::string& metric, double value, double than);

/// The metrics of compute_metrics() of a classification whose counts are known. @param confusion  [true label][predicted label]
Metrics confusion_metrics(std::vector<std::vector<int64_t>> confusion, double loss);

/// The same of several labels at a time. @param label_counts  as in Metrics   @param exact  share of the examples that are right in all labels
Metrics multi_label_metrics(std::vector<std::array<int64_t, 3>> label_counts, double exact, double loss);

/// Names of the metrics of a task, "loss" first.
std::vector<std::string> metric_names(TaskKind kind, bool next_sentence = false);

/// @param logits  (E, labels) fp32 on the CPU   @param targets  as in a batch, of all E examples.   @param loss  mean loss
///
/// Classification: loss, accuracy, precision, recall, f1, macro_f1. Of two labels precision, recall and f1 are those of the last
/// one, of more the macro averages. Multi-label (threshold 0.5): loss, accuracy (of whole rows), micro precision, recall, f1,
/// macro_f1. Regression: loss, mse, mae, pearson, spearman. A quotient with denominator 0 is 0. Not for masked LM.
Metrics compute_metrics(TaskKind kind, const Tensor& logits, const Tensor& targets, double loss);

}  // namespace plugtune::train
