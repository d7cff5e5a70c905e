#pragma once
// comparison.h - two methods of a study at one size: is their difference more than chance?

#include <optional>
#include <string>
#include <vector>

#include "report/run_report.h"
#include "study/bootstrap.h"

namespace plugtune::study {

/// The finished runs of a method at one size, by seed.
struct SeededRun {
  int64_t seed;
  const report::RunReport* report;
};

struct McNemar {
  int64_t seed = 0;
  int64_t first_alone = 0, second_alone = 0;  ///< examples that only one of the two got right
  double p = 1;
};

/// The first minus the second, at the seeds that both have.
struct Comparison {
  std::string first, second, metric;
  std::vector<int64_t> seeds;
  double first_value = NAN, second_value = NAN;  ///< means over these seeds
  double difference = NAN;
  bool has_answers = false;  ///< of the same examples in all runs
  Redrawn over_examples;     ///< paired bootstrap; not known without answers, and of a loss
  Mean over_seeds;           ///< of the paired differences, Student; an interval from two seeds on that differ
  double student_p = NAN;
  std::vector<McNemar> mcnemar;  ///< of each seed; of classifications alone

  bool is_distinguishable = false;  ///< with this pair alone in mind
  double p = NAN;                   ///< the largest of those that decide; not known where one of them is not
  double holm_p = NAN;              ///< the same, corrected for all pairs of the size
  std::string sentence;             ///< what can be said and what not
};

/// "-0.0010 to +0.0050", of an interval that is known.
std::string interval_text(const Interval& interval);

/// "0.012", "-" where it is not known, "< 1e-300" of what no double holds.
std::string p_text(double p);

Comparison compare_methods(const std::string& first, const std::vector<SeededRun>& first_runs,
                           const std::string& second, const std::vector<SeededRun>& second_runs, Bootstrap& bootstrap);

/// Holm's correction over all of a family; sentences of differences that do not stand it say so.
void correct_for_number(std::vector<Comparison>& pairs);

}  // namespace plugtune::study
