#pragma once
// settings.h - which linear layers IA3 scales, and which of them at their input.

#include <string>
#include <vector>

#include "plugtune/plugtune.h"

namespace plugtune::ia3 {

struct Ia3Settings {
  /// Reads every key and throws Error with everything that is wrong.
  explicit Ia3Settings(const ConfigView& config);
  /// Throws Error when a layer of `feedforward` is not among `chosen`.
  void check_feedforward(const std::vector<SiteInfo>& chosen) const;

  ConfigView config;
  Selector targets;  ///< what is scaled
  Selector inputs;   ///< those of them whose input is scaled instead of their output
  std::string name;  ///< of the patch

 private:
  bool feedforward_is_default_ = false;
};

}  // namespace plugtune::ia3
