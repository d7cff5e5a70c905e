#pragma once
// estimate.h - how long runs will take, from those that are finished.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "study/board.h"

namespace plugtune::study {

/// What a run trains on in all its epochs. @param all_examples  of data.train_limit = 0; 0: not known
double trained_examples(const ConfigNode& tables, int64_t all_examples);

/// What a method was measured to take.
struct Cost {
  double seconds_per_example = 0, other_seconds = 0;
};

class Estimate {
 public:
  Estimate(const Study& study, const Plan& plan, const Board& board);
  /// Adds what was measured otherwise, where no finished run says it.
  void add(size_t method, const Cost& cost) { costs_.try_emplace(method, cost); }

  bool knows(size_t method) const { return costs_.contains(method); }
  /// Of a run from its beginning. A method of which nothing is known takes what the others do on average; none: nothing is known.
  std::optional<double> seconds(const PlannedRun& run) const;
  /// Of all that is still to train and is planned or will be, `jobs` at a time; none: not known.
  /// @param done  of runs in progress, the part that is done
  std::optional<double> seconds_left(const Study& study, const Plan& plan, const Work& work, const Board& board,
                                     const std::map<std::string, double>& done) const;

 private:
  std::map<size_t, Cost> costs_;
  int64_t all_examples_ = 0;
};

}  // namespace plugtune::study
