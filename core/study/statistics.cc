// statistics.cc - Student's t, McNemar's exact test and the paired bootstrap (Efron and Tibshirani 1993; Dror et al. 2018).
#include "study/statistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <map>
#include <numeric>
#include <random>

#include "train/metrics.h"

namespace plugtune::study {
namespace {

constexpr int kResamples = 10'000, kFewerResamples = 1'000;  // of values, ranked anew in each, and of rows of labels

double average(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_error(const std::vector<double>& values) {
  const double mean = average(values), n = static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values)
    squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (n - 1) / n);
}

/// Values that are equal up to rounding do not tell how far others would lie: Student's interval would have no width.
bool scatters(const std::vector<double>& values) {
  return standard_error(values) > 1e-12 * std::max(1.0, std::abs(average(values)));
}

/// numpy's linear quantile.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Interval percentile_interval(std::vector<double> values) {
  if (!std::ranges::all_of(values, [](double value) { return std::isfinite(value); })) return {};
  std::ranges::sort(values);
  return {quantile(values, (1 - kConfidence) / 2), quantile(values, (1 + kConfidence) / 2)};
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

/// Examples of the same truth to which all runs gave the same labels, as one group: {truth, first, second, first, ...},
/// each of them a label, or of several labels at a time a row.
std::map<std::vector<int32_t>, int64_t> groups_of(const std::vector<PairedAnswers>& pairs) {
  std::map<std::vector<int32_t>, int64_t> groups;
  std::vector<int32_t> key;
  const size_t width = pairs.front().first->width();
  for (size_t i = 0; i < pairs.front().first->size(); ++i) {
    const auto add = [&](const std::vector<int32_t>& labels) {
      key.insert(key.end(), labels.begin() + static_cast<std::ptrdiff_t>(i * width),
                 labels.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
    };
    key.clear();
    add(pairs.front().first->truth);
    for (const PairedAnswers& pair : pairs) {
      add(pair.first->predicted);
      add(pair.second->predicted);
    }
    ++groups[key];
  }
  return groups;
}

/// Of accuracy only how many more of the first runs are right counts: at most 2 S + 1 groups.
std::map<std::vector<int32_t>, int64_t> accuracy_groups(const std::map<std::vector<int32_t>, int64_t>& groups) {
  std::map<std::vector<int32_t>, int64_t> merged;
  for (const auto& [key, size] : groups) {
    int32_t more = 0;
    for (size_t run = 1; run < key.size(); ++run)
      more += (key[run] == key[0] ? 1 : 0) * (run % 2 == 1 ? 1 : -1);
    merged[{more}] += size;
  }
  return merged;
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

Interval bootstrap_of_labels(const std::vector<PairedAnswers>& pairs, const std::string& metric, uint64_t seed) {
  const auto all = groups_of(pairs);
  const bool is_accuracy = metric == "accuracy";
  const auto groups = is_accuracy ? accuracy_groups(all) : all;
  std::vector<int64_t> sizes, drawn(groups.size());
  for (const auto& [key, size] : groups)
    sizes.push_back(size);
  const auto scale = static_cast<double>(pairs.size() * pairs.front().first->size());
  std::mt19937_64 random(seed);
  std::vector<double> differences(kResamples);
  for (double& difference : differences) {
    draw(sizes, random, drawn);
    if (!is_accuracy) {
      difference =
          metric_difference(groups, drawn, static_cast<size_t>(pairs.front().first->labels), pairs.size(), metric);
      continue;
    }
    size_t group = 0;
    difference = 0;
    for (const auto& [key, size] : groups)
      difference += static_cast<double>(key[0] * drawn[group++]) / scale;
  }
  return percentile_interval(std::move(differences));
}

/// Of several labels at a time. @param run  which of a key's rows, the truth's being 0
double row_metric(const std::map<std::vector<int32_t>, int64_t>& groups, const std::vector<int64_t>& drawn,
                  size_t labels, size_t run, const std::string& metric) {
  std::vector<std::array<int64_t, 3>> counts(labels);  // found, said wrongly, missed
  int64_t right = 0, examples = 0;
  size_t group = 0;
  for (const auto& [key, size] : groups) {
    const int64_t times = drawn[group++];
    bool is_right = true;
    for (size_t label = 0; label < labels; ++label) {
      const bool is_true = key[label] != 0, is_said = key[run * labels + label] != 0;
      is_right = is_right && is_true == is_said;
      if (is_true || is_said) counts[label][is_true && is_said ? 0 : is_said ? 1 : 2] += times;
    }
    right += is_right ? times : 0;
    examples += times;
  }
  const double exact = static_cast<double>(right) / static_cast<double>(examples);
  return train::multi_label_metrics(std::move(counts), exact, 0).at(metric);
}

Interval bootstrap_of_rows(const std::vector<PairedAnswers>& pairs, const std::string& metric, uint64_t seed) {
  const auto groups = groups_of(pairs);
  const size_t labels = pairs.front().first->width();
  std::vector<int64_t> sizes, drawn(groups.size());
  for (const auto& [key, size] : groups)
    sizes.push_back(size);
  std::mt19937_64 random(seed);
  std::vector<double> differences(kFewerResamples);
  for (double& difference : differences) {
    draw(sizes, random, drawn);
    difference = 0;
    for (size_t pair = 0; pair < pairs.size(); ++pair)
      difference += row_metric(groups, drawn, labels, 2 * pair + 1, metric) -
                    row_metric(groups, drawn, labels, 2 * pair + 2, metric);
    difference /= static_cast<double>(pairs.size());
  }
  return percentile_interval(std::move(differences));
}

double regression_metric(const report::Answers& answers, const Tensor& rows, const std::string& metric) {
  const auto size = static_cast<int64_t>(answers.size());
  const Tensor predicted = torch::tensor(answers.predicted_values).view({size, 1}).index_select(0, rows);
  const Tensor truth = torch::tensor(answers.true_values).index_select(0, rows);
  return train::compute_metrics(TaskKind::kRegression, predicted, truth, 0).at(metric);
}

Interval bootstrap_of_values(const std::vector<PairedAnswers>& pairs, const std::string& metric, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto examples = static_cast<int64_t>(pairs.front().first->size());
  std::uniform_int_distribution<int64_t> any(0, examples - 1);
  std::vector<double> differences(kFewerResamples);
  std::vector<int64_t> indices(static_cast<size_t>(examples));
  for (double& difference : differences) {
    std::ranges::generate(indices, [&] { return any(random); });
    const Tensor rows = torch::tensor(indices);
    difference = 0;
    for (const PairedAnswers& pair : pairs)
      difference += regression_metric(*pair.first, rows, metric) - regression_metric(*pair.second, rows, metric);
    difference /= static_cast<double>(pairs.size());
  }
  return percentile_interval(std::move(differences));
}

}  // namespace

Mean mean_of(const std::vector<double>& values) {
  Mean mean;
  mean.count = values.size();
  if (values.empty()) return mean;
  mean.value = average(values);
  if (values.size() < 2) return mean;
  if (!scatters(values)) return mean;
  const boost::math::students_t distribution(static_cast<double>(values.size() - 1));
  const double half = boost::math::quantile(distribution, (1 + kConfidence) / 2) * standard_error(values);
  mean.interval = {mean.value - half, mean.value + half};
  return mean;
}

double student_p(const std::vector<double>& differences) {
  if (differences.size() < 2) return NAN;
  const double mean = average(differences), error = standard_error(differences);
  if (!scatters(differences)) return std::abs(mean) < 1e-12 ? 1 : NAN;
  const boost::math::students_t distribution(static_cast<double>(differences.size() - 1));
  return 2 * boost::math::cdf(boost::math::complement(distribution, std::abs(mean / error)));
}

double mcnemar_p(int64_t first, int64_t second) {
  if (first == second) return 1;
  const boost::math::binomial distribution(static_cast<double>(first + second), 0.5);
  return std::min(1.0, 2 * boost::math::cdf(distribution, static_cast<double>(std::min(first, second))));
}

Interval bootstrap_interval(const std::vector<PairedAnswers>& pairs, const std::string& metric, uint64_t seed) {
  const report::Answers& any = *pairs.front().first;
  const TaskKind kind = any.labels > 0 ? TaskKind::kClassification : TaskKind::kRegression;
  const std::vector<std::string> names = train::metric_names(kind);
  if (metric == "loss" || std::ranges::find(names, metric) == names.end() || any.size() == 0) return {};
  if (any.multi_label) return bootstrap_of_rows(pairs, metric, seed);
  return any.labels > 0 ? bootstrap_of_labels(pairs, metric, seed) : bootstrap_of_values(pairs, metric, seed);
}

}  // namespace plugtune::study
