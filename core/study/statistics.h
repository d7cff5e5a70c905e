#pragma once
// statistics.h - intervals and tests of paired results. Goldens are scipy's (tests/golden/generate_statistics.py).

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace plugtune::study {

inline constexpr double kConfidence = 0.95;
/// What sums of metrics may differ by although they are equal.
inline constexpr double kRounding = 1e-12;
/// Times that spread further than this over seeds are of busy or different machines, and are not set beside others.
inline constexpr double kMostSpread = 0.25;

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

/// Seconds of runs that may be of machines which differ or do other things: Student's t knows nothing of these.
struct Times {
  double median = NAN, mean = NAN;
  double spread = NAN;  ///< from the smallest to the largest, as a part of the median
  size_t count = 0;
  bool is_steady() const { return spread <= kMostSpread; }
};
Times times_of(std::vector<double> values);

/// Of a sample; of one value NaN.
double standard_deviation(const std::vector<double>& values);

/// Two-sided p of Student's t test that the values' mean is 0: of paired differences, the paired test. 1 when all are 0;
/// NaN of fewer than two, and of values that are equal.
double student_p(const std::vector<double>& differences);

/// Two-sided p of McNemar's exact test: of the examples that one of two alone got right, `first` are the first one's.
double mcnemar_p(int64_t first, int64_t second);

/// Two-sided p of a difference with this standard error, by the normal distribution.
double normal_p(double difference, double deviation);

/// Holm's correction (1979): p values that hold for all of a family together. Those that are not known stay so, and do not count.
std::vector<double> holm(const std::vector<double>& p);

}  // namespace plugtune::study
