#pragma once
// bootstrap.h - what another test set might say of a difference: the paired bootstrap over examples.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "report/answers.h"
#include "study/statistics.h"

namespace plugtune::study {

/// The two runs of a pair at one seed.
struct PairedAnswers {
  const report::Answers* first;
  const report::Answers* second;
};

/// A difference when the test examples are drawn anew, with replacement.
struct Redrawn {
  Interval interval{};     ///< 95 %, percentile
  double deviation = NAN;  ///< standard deviation over the draws
};

class Bootstrap {
 public:
  /// @param seed  the same draws the same
  Bootstrap(std::string metric, uint64_t seed) : metric_(std::move(metric)), seed_(seed) {}

  const std::string& metric() const { return metric_; }

  /// Of the metric's difference between the first and the second runs, the mean over the seeds: the same examples are drawn for
  /// all of them. Not known when the metric is not one of single answers (loss).
  /// @param pairs  at least one, all on the same examples; their answers must outlive this
  Redrawn difference(const std::vector<PairedAnswers>& pairs);

 private:
  /// The metric in each draw. A method is in many pairs, so what is dear is kept.
  const std::vector<double>& values(const report::Answers& answers);

  std::string metric_;
  uint64_t seed_;
  std::map<const report::Answers*, std::vector<double>> values_;
};

}  // namespace plugtune::study
