#pragma once
// combining.h - several finished runs of one method as one, before anything is written.

#include <string>
#include <utility>
#include <vector>

#include "app/session.h"
#include "plugtune/combine.h"

namespace plugtune::app {

inline constexpr const char* kAverageHead = "average";

struct CombineRequest {
  std::vector<std::string> runs;
  CombineOptions options;  ///< `method` may be "", weights empty (each 1 / number of runs); names are the runs
  std::string head;        ///< kAverageHead, or the run whose head is kept
  std::string name;        ///< of the run to make
  std::string model{};     ///< where the base lies now; "": where the run whose head is kept found it
};

/// A session with the combined values in it: as if it had been trained here.
struct CombinedRun {
  Session session;
  CombineOptions options;  ///< with what was left open filled in
  std::vector<std::pair<std::string, double>> errors;
  std::vector<std::string> notes;
};

/// Throws Error when the runs do not go together.
CombinedRun combine_runs(const CombineRequest& request, const plugin::SearchPath& search);

}  // namespace plugtune::app
