#pragma once
// statistics.h - intervals and tests of paired results. Goldens are scipy's (tests/golden/generate_statistics.py).

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "report/answers.h"

namespace plugtune::study {

inline constexpr double kConfidence = 0.95;

struct Interval {
  double low = NAN, high = NAN;
  bool is_known() const { return std::isfinite(low) && std::isfinite(high); }
  bool has_zero() const { return low <= 0 && high >= 0; }
};

struct Mean {
  double value = NAN;
  Interval interval{};  ///< of 95 %, by Student's t; of one value, or of equal ones, not known
  size_t count = 0;
  double half_width() const { return (interval.high - interval.low) / 2; }
};
Mean mean_of(const std::vector<double>& values);

/// Two-sided p of Student's t test that the values' mean is 0: of paired differences, the paired test. 1 when all are 0;
/// NaN of fewer than two, and of values that are equal.
double student_p(const std::vector<double>& differences);

/// Two-sided p of McNemar's exact test: of the examples that one of two alone got right, `first` are the first one's.
double mcnemar_p(int64_t first, int64_t second);

/// The two runs of a pair at one seed.
struct PairedAnswers {
  const report::Answers* first;
  const report::Answers* second;
};

/// The 95 % percentile bootstrap interval, over test examples, of the difference of a metric between the first and the second
/// runs, the mean over the seeds: the same examples are drawn for all of them. Not known when the metric is not one of single
/// answers (loss).
/// @param pairs  at least one; all on the same examples   @param seed  the same gives the same interval
Interval bootstrap_interval(const std::vector<PairedAnswers>& pairs, const std::string& metric, uint64_t seed);

}  // namespace plugtune::study
