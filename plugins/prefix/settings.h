#pragma once
// settings.h - the table of an experiment file that sets up a prefix.

#include <string>
#include <vector>

#include "plugtune/plugtune.h"

namespace plugtune::prefix {

/// Names and defaults as in AdapterHub's library, but for `flat`.
struct PrefixSettings {
  /// Reads every key and throws Error with everything that is wrong.
  explicit PrefixSettings(const ConfigView& config);
  /// Layers with a prefix, in order. Throws Error when leave_out names one that the model does not have, or all.
  std::vector<int64_t> layers(const ModelInfo& info) const;

  ConfigView config;
  int64_t prefix_length = 30;    ///< n
  bool shift_positions = false;  ///< real tokens stand at n, n + 1, ..., as in peft
  bool flat = true;              ///< the rows are the parameters; else a network computes them
  int64_t bottleneck_size = 512;
  std::string non_linearity = "tanh";
  bool gate = false;   ///< keys and values times the sequence's gate
  double dropout = 0;  ///< of the rows
  double init_std = 1;
  std::vector<int64_t> leave_out;
  std::string name = "prefix";  ///< of the patches
};

}  // namespace plugtune::prefix
