#pragma once
// places.h - the linear layers of a BERT by name, without the model: for conversions.

#include <set>
#include <string>
#include <vector>

#include "plugtune/plugtune.h"

namespace plugtune::ia3 {

/// A linear layer and what is scaled of it.
struct Place {
  SiteInfo site;
  int64_t in = 0, out = 0;
  bool is_input = false;

  int64_t size() const { return is_input ? in : out; }
};

/// Every linear layer but the classifier, in forward order.
std::vector<Place> all_places(const ModelInfo& info);

/// Module names as peft's configuration gives them: a regular expression over the whole path, or a list of paths' ends.
class ModuleNames {
 public:
  /// Notes in `config` what is wrong. Absent: names nothing.
  ModuleNames(const ConfigView& config, const ConfigNode& table, const std::string& key);
  bool is_given() const noexcept { return is_given_; }
  /// An end is whole words, as in target_modules: "output.dense" names "attention.output.dense", but not "nonoutput.dense".
  bool name(const std::string& path) const;
  /// An end is any characters, as in feedforward_modules.
  bool name_loosely(const std::string& path) const;

 private:
  bool matches_expression(const std::string& path) const;
  bool is_given_ = false;
  std::string expression_;
  std::vector<std::string> ends_;
};

/// `targets` and, where all have the same gaps, `layers` that select just these places.
struct Targets {
  std::vector<std::string> targets;
  std::string layers;
};
Targets targets_of(const std::vector<Place>& chosen, const ModelInfo& info);

/// peft's lists that name just these places, sorted.
struct PeftModules {
  std::vector<std::string> targets, feedforward;
};
PeftModules peft_modules(const std::vector<Place>& chosen, const ModelInfo& info);

}  // namespace plugtune::ia3
