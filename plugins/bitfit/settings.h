#pragma once
// settings.h - which of the encoder's own parameters train.

#include <string>
#include <vector>

#include "plugtune/plugtune.h"

namespace plugtune::bitfit {

/// A module that owns parameters of the encoder.
struct Owner {
  SiteInfo site;
  bool is_layer_norm = false;
};

struct BitFitSettings {
  /// Reads every key and throws Error with everything that is wrong.
  explicit BitFitSettings(const ConfigView& config);

  /// Whether `parameter` ("weight" or "bias") of a module is one of `what`.
  bool is_of_kind(const Owner& owner, const std::string& parameter) const;
  /// Whether it trains: of that kind, and chosen by `targets` and `layers`.
  bool trains(const Owner& owner, const std::string& parameter) const;

  ConfigView config;
  bool biases = false, layer_norms = false;
  Selector selector;  ///< of targets and layers
};

/// The module of a base parameter, by its path.
Owner owner_of(const std::string& path);

}  // namespace plugtune::bitfit
