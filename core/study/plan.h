#pragma once
// plan.h - the runs of a study, as far as they are known from those that are done.
//
// Nothing is remembered between two plans: rates are chosen anew from what the search's runs came to, so a sweep that was
// killed plans what one that was not would have planned.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "study/run_tables.h"

namespace plugtune::study {

struct PlannedRun {
  RunKey key;
  std::string id;                    ///< below the study's directory
  ConfigNode tables;                 ///< its experiment
  std::vector<std::string> sources;  ///< ids of runs that it starts from
  bool is_helper = false;            ///< of use to others alone: trained only if one of them has to be trained
};

/// What is known of a rate of a method.
struct TriedRate {
  double rate = 0;
  double value = 0;     ///< mean of the metric over the search's seeds; NaN: every run failed, or not known yet
  int64_t shorter = 1;  ///< of the longest runs that it had
  bool is_known = false;
};

/// The rate of a method.
struct Choice {
  std::optional<ConfigNode> rate;  ///< not chosen yet: none
  std::vector<TriedRate> tried;    ///< in the order of the file; empty: there was nothing to choose
  int64_t search_runs = 0;         ///< how many its search takes: fewer than at first once rates have failed
};

struct Plan {
  std::vector<PlannedRun> runs;  ///< sources before those that need them
  std::vector<Choice> choices;   ///< of each method
  int64_t total = 0;             ///< runs of the whole study, those that are not known yet included, helpers not

  const PlannedRun* find(const std::string& id) const;
};

/// The value of the search's metric that a run came to: NaN when it failed, none while it is not finished.
using SearchValue = std::function<std::optional<double>(const std::string& id)>;

/// @param metric  that the search chooses by, settled; "" where there is none
Plan make_plan(const Study& study, const std::string& metric, const SearchValue& value);

}  // namespace plugtune::study
