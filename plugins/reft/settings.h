#pragma once
// settings.h - the table of an experiment file that sets up ReFT.

#include <string>

#include "plugtune/plugtune.h"

namespace plugtune::reft {

struct ReftOptions {
  std::string kind;  ///< "loreft", "noreft" or "direft"
  int64_t rank = 1, prefix = 3, suffix = 0;
  bool tied = false;
  double dropout = 0.05;

  bool is_orthonormal() const { return kind == "loreft"; }
  bool has_first() const { return prefix > 0 || tied; }  ///< a unit for the first rows, of tied weights for both ends
  bool has_last() const { return suffix > 0 && !tied; }
};

struct ReftSettings {
  /// Reads every key and throws Error with everything that is wrong.
  explicit ReftSettings(const ConfigView& config);

  ConfigView config;
  Selector layers;
  std::string name;  ///< of the patch
  ReftOptions options;
};

}  // namespace plugtune::reft
