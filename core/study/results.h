#pragma once
// results.h - what a study came to: a table for each size, the rates that were chosen, and which differences are more than chance.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "study/board.h"
#include "study/comparison.h"

namespace plugtune::study {

/// A method at one size.
struct ResultRow {
  size_t method = 0;
  size_t of = 0;  ///< runs there are to be, 0: the method is not for this size; those that are finished are `runs`
  std::vector<SeededRun> runs;
  double rate = NAN;  ///< that they were trained with
  int64_t trainable_parameters = 0;
  double trainable_fraction = 0;
  std::vector<std::pair<std::string, Mean>> metrics;  ///< loss last
  Times epoch_seconds, total_seconds;
  double relative_time = NAN;  ///< an epoch's, of the reference's; not known where one of the two is not steady

  const Mean* find(const std::string& metric) const;
};

struct SizeResults {
  int64_t size = 0;
  std::vector<ResultRow> rows;    ///< methods in the file's order
  std::vector<Comparison> pairs;  ///< of all methods that have finished runs
  /// Those that are told: the best with each other, each other with the reference, and where that is the best the second best with
  /// each other.
  std::vector<Comparison> comparisons;
  std::string best;  ///< method whose mean is the best; "" before any run is finished
};

struct Results {
  std::string metric, search_metric;
  std::string split;  ///< what the values are measured on: "test"
  std::vector<SizeResults> sizes;
  std::vector<Choice> choices;  ///< of each method
  int64_t finished = 0, total = 0;
};

/// "largest" or "smallest" where the rate that was chosen is at the edge of those that were tried, so that the best may lie
/// beyond; else "".
std::string edge_of(const Choice& choice);

/// Board and study must outlive the results.
Results results_of(const Study& study, const Plan& plan, const Board& board);

/// study.json, and what --format json prints.
nlohmann::ordered_json results_json(const Study& study, const Results& results);

std::string results_text(const Study& study, const Results& results);
std::string results_markdown(const Study& study, const Results& results);
/// A line for each method, size and metric, in full precision, times as medians; rates and comparisons are in the JSON.
std::string results_csv(const Study& study, const Results& results);

}  // namespace plugtune::study
