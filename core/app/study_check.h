#pragma once
// study_check.h - what plugins and data say of a study, before hours are spent on it.

#include <string>
#include <vector>

#include "plugin/search.h"
#include "study/board.h"

namespace plugtune::app {

struct StudyCheck {
  std::vector<std::string> problems;  ///< each once; "method 'x': " in front of those that only some methods have
  std::vector<study::PluginTables> plugins;  ///< of each method, as far as there were no problems
};

/// Opens the data and makes the strategies of each method, at the largest size and as the search trains it. Strategies that start
/// from runs are left to these.
StudyCheck check_study(const study::Study& study, const plugin::SearchPath& search);

}  // namespace plugtune::app
