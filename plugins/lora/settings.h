#pragma once
// settings.h - the table of an experiment file that sets up LoRA, and which sites it means.

#include <optional>
#include <string>
#include <vector>

#include "plugtune/plugtune.h"

namespace plugtune::lora {

/// `ranks = { query = 16, "encoder.layer.0.*.dense" = 4 }`: numbers of some sites, by role, path, glob or /regex/.
/// Where several keys match, the narrowest wins: path, glob, regular expression, role; then the first by alphabet.
class SiteNumbers {
 public:
  SiteNumbers() = default;
  SiteNumbers(const ConfigView& config, const std::string& key);
  std::optional<double> at(const SiteInfo& site) const;
  /// A path, glob or expression that matches none of `sites`, or "". Roles may be absent.
  std::string unmatched(const std::vector<SiteInfo>& sites) const;
  /// Key and number, narrowest first.
  std::vector<std::pair<std::string, double>> entries() const;

 private:
  struct Entry {
    int breadth;
    std::string key;
    double number;
    Selector selector;
  };
  std::vector<Entry> entries_;  // narrowest first
};

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
  double rate_ratio = 1;  ///< of B's rate to A's
  SiteNumbers ranks, alphas;

 private:
  Selector selector_;
};

/// Every role that LoRA can be applied to.
std::vector<std::string> lora_roles();

/// `/.../`: a regular expression. A '.', '*' or '?' in a target otherwise: a path or glob.
bool is_regex(const std::string& target);
bool is_path_or_glob(const std::string& target);

}  // namespace plugtune::lora
