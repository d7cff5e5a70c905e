#pragma once
// method_links.h - how the methods of a study hang together.

#include <string>

#include "study/study_file.h"

namespace plugtune::study {

/// Finds each method's sources, puts methods behind them, and finds the one that `reference` names; what cannot be is a problem.
void link_methods(Study& study, const std::string& reference);

}  // namespace plugtune::study
