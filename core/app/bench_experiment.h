#pragma once
// bench_experiment.h - what `plugtune bench` measures, as an experiment.

#include <filesystem>
#include <string>
#include <vector>

#include "experiment/experiment.h"

namespace plugtune::app {

/// The options of the command; "" and 0: not given.
struct BenchOptions {
  std::string experiment, strategy, model_size, vocabulary, data, order;
  int64_t batch_size = 0, steps = 0;
  std::vector<std::string> overrides;
};

/// The experiment that these options say: nothing is evaluated or saved, every step is told.
/// @param scratch  where a model of "base" or "small" size is put: its configuration and vocabulary, the weights are random.
/// Throws Error when an option is missing.
experiment::Experiment bench_experiment(const BenchOptions& options, const std::filesystem::path& scratch);

}  // namespace plugtune::app
