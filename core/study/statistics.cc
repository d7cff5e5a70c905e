// statistics.cc - Student's t, McNemar's exact test, Holm's correction.
#include "study/statistics.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <numeric>

namespace plugtune::study {
namespace {

double average(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_error(const std::vector<double>& values) {
  return standard_deviation(values) / std::sqrt(static_cast<double>(values.size()));
}

/// Values that are equal up to rounding do not tell how far others would lie: Student's interval would have no width.
bool scatters(const std::vector<double>& values) {
  return standard_error(values) > kRounding * std::max(1.0, std::abs(average(values)));
}

}  // namespace

double standard_deviation(const std::vector<double>& values) {
  const double mean = average(values);
  double squares = 0;
  for (const double value : values)
    squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (static_cast<double>(values.size()) - 1));
}

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
  if (!scatters(differences)) return std::abs(mean) < kRounding ? 1 : NAN;
  const boost::math::students_t distribution(static_cast<double>(differences.size() - 1));
  return 2 * boost::math::cdf(boost::math::complement(distribution, std::abs(mean / error)));
}

double mcnemar_p(int64_t first, int64_t second) {
  if (first == second) return 1;
  const boost::math::binomial distribution(static_cast<double>(first + second), 0.5);
  return std::min(1.0, 2 * boost::math::cdf(distribution, static_cast<double>(std::min(first, second))));
}

double normal_p(double difference, double deviation) {
  if (std::isnan(difference) || std::isnan(deviation)) return NAN;
  if (std::abs(difference) < kRounding) return 1;
  return std::erfc(std::abs(difference) / deviation / std::sqrt(2.0));
}

std::vector<double> holm(const std::vector<double>& p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i)
    if (std::isfinite(p[i])) order.push_back(i);
  std::ranges::stable_sort(order, {}, [&](size_t i) { return p[i]; });
  std::vector<double> corrected(p.size(), NAN);
  double largest = 0;
  for (size_t place = 0; place < order.size(); ++place) {
    const auto left = static_cast<double>(order.size() - place);
    largest = std::max(largest, std::min(1.0, left * p[order[place]]));
    corrected[order[place]] = largest;
  }
  return corrected;
}

Times times_of(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  Times times;
  times.count = values.size();
  if (values.empty()) return times;
  std::ranges::sort(values);
  times.median = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
  times.mean = average(values);
  times.spread = (values.back() - values.front()) / times.median;
  return times;
}

}  // namespace plugtune::study
