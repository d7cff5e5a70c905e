#pragma once
// settings.h - the table of an experiment file that sets up LoRA, and which sites it means.

#include <string>
#include <vector>

#include "plugtune/blocks/site_numbers.h"
#include "plugtune/plugtune.h"

namespace plugtune::lora {

/// What the table says, checked.
class LoraSettings {
 public:
  /// Throws Error with every problem, unknown keys included.
  explicit LoraSettings(const ConfigView& config);

  /// Whether the method is applied at a linear site or at the word embedding. `layers` do not limit what is in no layer.
  bool chooses(const SiteInfo& site) const;
  bool excludes(const SiteInfo& site) const { return exclude.matches(site); }
  LowRankOptions options(const SiteInfo& site) const;

  std::vector<std::string> targets;  ///< "all-linear" replaced by its roles
  std::string layers;                ///< "" for all, "0-5,11"
  std::string subject;               ///< of messages about targets: "strategy.targets"
  Selector exclude;
  std::string bias, name;
  LowRankOptions defaults;
  bool dora = false;
  bool gate = false;      ///< the update times a factor of the sequence
  double rate_ratio = 1;  ///< of B's rate to A's
  SiteNumbers ranks, alphas;

 private:
  Selector selector_;
};

}  // namespace plugtune::lora
