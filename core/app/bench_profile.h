#pragma once
// bench_profile.h - `plugtune bench --profile`: the time of the measured steps by site.

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/command_line.h"
#include "formats/atomic_file.h"
#include "report/profile_table.h"
#include "train/profiler.h"

namespace plugtune::app {

/// Does nothing unless --profile or --trace is given.
class BenchProfile {
 public:
  static void declare(CommandLine& line);
  /// Throws Error if the trace cannot be written: before the steps, not after them.
  explicit BenchProfile(const CommandLine& line);

  bool is_asked_for() const noexcept { return profiler_ != nullptr; }
  /// In the thread that trains, before the first step that is measured.
  void start();
  /// After the last: measures the memory's speed, and writes the trace if it is asked for.
  void finish(const model::Bert& model, double matrix_peak, int64_t element_size);

  std::string text() const;
  nlohmann::ordered_json json() const;

 private:
  std::string trace_path_;
  bool each_layer_;
  std::unique_ptr<formats::AtomicFile> trace_;
  std::unique_ptr<train::Profiler> profiler_;
  report::MachineLimits limits_;
  std::vector<report::ProfileRow> rows_;
  double spans_per_step_ = 0, nanoseconds_per_span_ = 0, step_ms_ = 0;
};

}  // namespace plugtune::app
