#pragma once
// study_plan.h - `plugtune sweep --plan`: the runs of a study and how long they will take.

#include <string>

#include "study/sweep.h"

namespace plugtune::app {

/// A line for each run that is known, its state and its time. @param measure  train some steps of methods without a finished run
std::string plan_text(const study::Study& study, study::Board& board, const study::SweepOptions& options, bool measure);

/// "study 'quick': 4 methods, 2 sizes, 2 seeds: 22 runs, 3 of them finished, about 0:40 left; one at a time, into studies/quick"
std::string summary_text(const study::Study& study, study::Board& board);

}  // namespace plugtune::app
