#pragma once
// bench_experiment.h - what `plugtune bench` measures, as an experiment.

#include <filesystem>
#include <optional>
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

/// A directory that is gone when its owner is.
class TemporaryDirectory {
 public:
  TemporaryDirectory();  ///< Throws Error when none can be made.
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// The experiment that these options say: nothing is evaluated or saved, every step is told.
/// @param scratch  where a model of "base" or "small" size is put: its configuration and vocabulary, the weights are random.
/// Throws Error when an option is missing.
experiment::Experiment bench_experiment(const BenchOptions& options, const TemporaryDirectory& scratch);

}  // namespace plugtune::app
