// bootstrap.cc - the paired bootstrap over test examples (Efron and Tibshirani 1993; Dror et al. 2018).
#include "study/bootstrap.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <random>

#include "report/quantile.h"
#include "train/metrics.h"

namespace plugtune::study {
namespace {

constexpr size_t kDraws = 10'000, kFewerDraws = 1'000;  // of accuracy; of other metrics, where one costs much more

Redrawn redrawn(std::vector<double> differences) {
  if (!std::ranges::all_of(differences, [](double value) { return std::isfinite(value); })) return {};
  std::ranges::sort(differences);
  return {{report::quantile(differences, (1 - kConfidence) / 2), report::quantile(differences, (1 + kConfidence) / 2)},
          standard_deviation(differences)};
}

/// How often each of some groups of examples is drawn when all examples are drawn with replacement: a multinomial, by
/// conditional binomials, which costs the number of groups and not that of examples.
void draw(const std::vector<int64_t>& sizes, std::mt19937_64& random, std::vector<int64_t>& drawn) {
  int64_t examples = std::accumulate(sizes.begin(), sizes.end(), int64_t{0}), left = examples;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const double share = std::min(1.0, static_cast<double>(sizes[i]) / static_cast<double>(examples));
    drawn[i] = left == 0 ? 0 : i + 1 == sizes.size() ? left : std::binomial_distribution<int64_t>(left, share)(random);
    left -= drawn[i];
    examples -= sizes[i];
  }
}

/// Of accuracy only how many more of the first runs are right about an example counts: at most 2 S + 1 groups.
std::vector<double> accuracy_differences(const std::vector<PairedAnswers>& pairs, uint64_t seed) {
  const size_t examples = pairs.front().first->size();
  std::map<int64_t, int64_t> groups;
  for (size_t i = 0; i < examples; ++i) {
    int64_t more = 0;
    for (const PairedAnswers& pair : pairs)
      more += (pair.first->is_right(i) ? 1 : 0) - (pair.second->is_right(i) ? 1 : 0);
    ++groups[more];
  }
  std::vector<int64_t> sizes, drawn(groups.size());
  for (const auto& [more, size] : groups)
    sizes.push_back(size);
  const auto scale = static_cast<double>(pairs.size() * examples);
  std::mt19937_64 random(seed);
  std::vector<double> differences(kDraws);
  for (double& difference : differences) {
    draw(sizes, random, drawn);
    size_t group = 0;
    for (const auto& [more, size] : groups)
      difference += static_cast<double>(more * drawn[group++]) / scale;
  }
  return differences;
}

/// Examples of the same truth to which all runs gave the same labels, as one group: {truth, first, second, first, ...}.
std::map<std::vector<int32_t>, int64_t> groups_of(const std::vector<PairedAnswers>& pairs) {
  std::map<std::vector<int32_t>, int64_t> groups;
  std::vector<int32_t> key;
  for (size_t i = 0; i < pairs.front().first->size(); ++i) {
    key = {pairs.front().first->truth[i]};
    for (const PairedAnswers& pair : pairs) {
      key.push_back(pair.first->predicted[i]);
      key.push_back(pair.second->predicted[i]);
    }
    ++groups[key];
  }
  return groups;
}

double metric_difference(const std::map<std::vector<int32_t>, int64_t>& groups, const std::vector<int64_t>& drawn,
                         size_t labels, size_t pairs, const std::string& metric) {
  double difference = 0;
  for (size_t run = 0; run < 2 * pairs; ++run) {
    std::vector<std::vector<int64_t>> confusion(labels, std::vector<int64_t>(labels));
    size_t group = 0;
    for (const auto& [key, size] : groups)
      confusion[static_cast<size_t>(key[0])][static_cast<size_t>(key[run + 1])] += drawn[group++];
    difference += (run % 2 == 0 ? 1 : -1) * train::confusion_metrics(std::move(confusion), 0).at(metric);
  }
  return difference / static_cast<double>(pairs);
}

/// Of other metrics of one label for each example.
std::vector<double> label_differences(const std::vector<PairedAnswers>& pairs, const std::string& metric,
                                      uint64_t seed) {
  const auto groups = groups_of(pairs);
  std::vector<int64_t> sizes, drawn(groups.size());
  for (const auto& [key, size] : groups)
    sizes.push_back(size);
  const auto labels = static_cast<size_t>(pairs.front().first->labels);
  std::mt19937_64 random(seed);
  std::vector<double> differences(kFewerDraws);
  for (double& difference : differences) {
    draw(sizes, random, drawn);
    difference = metric_difference(groups, drawn, labels, pairs.size(), metric);
  }
  return differences;
}

/// Of several labels at a time. Not of accuracy.
double row_metric(const report::Answers& answers, const std::vector<int64_t>& drawn, const std::string& metric) {
  const size_t labels = answers.width();
  std::vector<std::array<int64_t, 3>> counts(labels);  // found, said wrongly, missed
  for (const int64_t row : drawn) {
    for (size_t label = 0; label < labels; ++label) {
      const size_t at = static_cast<size_t>(row) * labels + label;
      const bool is_true = answers.truth[at] != 0, is_said = answers.predicted[at] != 0;
      if (is_true || is_said) ++counts[label][is_true && is_said ? 0 : is_said ? 1 : 2];
    }
  }
  return train::multi_label_metrics(std::move(counts), /*exact=*/0, /*loss=*/0).at(metric);
}

double regression_metric(const report::Answers& answers, const std::vector<int64_t>& drawn, const std::string& metric) {
  const auto size = static_cast<int64_t>(answers.size());
  const Tensor rows = torch::tensor(drawn);
  const Tensor predicted = torch::tensor(answers.predicted_values).view({size, 1}).index_select(0, rows);
  const Tensor truth = torch::tensor(answers.true_values).index_select(0, rows);
  return train::compute_metrics(TaskKind::kRegression, predicted, truth, 0).at(metric);
}

bool is_of_answers(const std::string& metric, const report::Answers& answers) {
  const TaskKind kind = answers.labels > 0 ? TaskKind::kClassification : TaskKind::kRegression;
  const std::vector<std::string> names = train::metric_names(kind);
  return metric != "loss" && std::ranges::find(names, metric) != names.end() && answers.size() > 0;
}

}  // namespace

const std::vector<double>& Bootstrap::values(const report::Answers& answers) {
  std::vector<double>& kept = values_[&answers];
  if (!kept.empty()) return kept;
  std::mt19937_64 random(seed_);
  std::uniform_int_distribution<int64_t> any(0, static_cast<int64_t>(answers.size()) - 1);
  std::vector<int64_t> drawn(answers.size());
  for (size_t i = 0; i < kFewerDraws; ++i) {
    std::ranges::generate(drawn, [&] { return any(random); });
    kept.push_back(answers.multi_label ? row_metric(answers, drawn, metric_)
                                       : regression_metric(answers, drawn, metric_));
  }
  return kept;
}

Redrawn Bootstrap::difference(const std::vector<PairedAnswers>& pairs) {
  const report::Answers& any = *pairs.front().first;
  if (!is_of_answers(metric_, any)) return {};
  if (metric_ == "accuracy") return redrawn(accuracy_differences(pairs, seed_));
  if (any.labels > 0 && !any.multi_label) return redrawn(label_differences(pairs, metric_, seed_));
  std::vector<double> differences(kFewerDraws);
  for (const PairedAnswers& pair : pairs) {
    const std::vector<double>&first = values(*pair.first), &second = values(*pair.second);
    for (size_t i = 0; i < differences.size(); ++i)
      differences[i] += (first[i] - second[i]) / static_cast<double>(pairs.size());
  }
  return redrawn(std::move(differences));
}

}  // namespace plugtune::study
