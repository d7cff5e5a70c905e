#pragma once
// profile_table.h - the time of training steps by site, beside what it could be at least.

#include <string>
#include <vector>

#include "train/profiler.h"

namespace plugtune::report {

/// What this machine reaches at best, measured.
struct MachineLimits {
  double flop_per_second = 0;   ///< of a matrix product
  double bytes_per_second = 0;  ///< to and from memory
};

/// One span, or the same of all layers; everything is of a step, on average.
struct ProfileRow {
  std::string span;
  double calls = 0;
  bool in_passes = false;  ///< of the forward and backward pass; false: around them, as the optimizer's
  double forward_ms = 0, backward_ms = 0;
  double ms = 0;        ///< of both, or of what is around them
  double share = 0;     ///< of the step
  double gigaflop = 0;  ///< of both passes, at least
  double floor_ms = 0;  ///< of both passes: of each the longer of its arithmetic and its memory traffic; 0: not known
};

/// The slowest first, and last what no span covers: the step's own time ("rest") and autograd's ("backward").
/// @param each_layer    false: `encoder.layer.*` stands for all layers
/// @param element_size  bytes of an activation
std::vector<ProfileRow> profile_rows(const train::Profile& profile, const model::Bert& model,
                                     const MachineLimits& limits, int64_t element_size, bool each_layer);

/// The rows as a table for a terminal, with their sum.
std::string profile_table(const std::vector<ProfileRow>& rows);

/// The measured steps for chrome://tracing and Perfetto: a JSON object of complete events ("ph": "X") in microseconds, nested by time.
std::string chrome_trace(const train::Profile& profile);

}  // namespace plugtune::report
