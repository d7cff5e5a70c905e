#pragma once
// settings.h - the table of an experiment file that sets up VeRA.

#include <string>

#include "plugtune/plugtune.h"

namespace plugtune::vera {

struct VeraSettings {
  /// Reads every key and throws Error with everything that is wrong.
  explicit VeraSettings(const ConfigView& config)
      : targets(config.selector({"query", "value"})),
        name(config.string("name", "vera")),
        rank(config.integer("rank", 256, /*min=*/1)),
        start(config.number("d_initial", 0.1)),
        dropout(config.number("dropout", 0, 0, 0.999999)) {
    config.reject_unknown();
  }

  Selector targets;
  std::string name;  ///< of the patch
  int64_t rank;
  double start;  ///< of lambda_d
  double dropout;
};

}  // namespace plugtune::vera
