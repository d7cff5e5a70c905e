#pragma once
// data_check.h - an experiment's data set, opened to see whether the experiment fits it.

#include "experiment/experiment.h"
#include "experiment/settle.h"
#include "plugin/search.h"

namespace plugtune::app {

/// How many examples the splits have, and what is wrong with data.train_limit.
experiment::SplitSizes split_sizes(const Dataset& dataset, int64_t train_limit);

/// Makes the data set and lets it decide what the experiment leaves to it; what does not fit is noted.
/// -> its settings, defaults filled in
ConfigNode check_data(experiment::Experiment& experiment, const plugin::SearchPath& search);

}  // namespace plugtune::app
