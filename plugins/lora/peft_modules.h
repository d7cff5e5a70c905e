#pragma once
// peft_modules.h - how peft's LoraConfig names modules, and how we say the same.
//
// peft matches against names of the whole model, "bert.encoder.layer.0.attention.self.key"; our paths have no "bert.".

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bert_sites.h"

namespace plugtune::lora {

/// target_modules or exclude_modules: a list of names and ends of names, or one regular expression.
struct ModuleNames {
  std::vector<std::string> list;
  std::string regex;  ///< "": the list counts
  bool empty() const { return list.empty() && regex.empty(); }
};

/// The part of a LoraConfig that chooses modules.
struct PeftModules {
  ModuleNames targets, exclude;
  std::vector<int64_t> layers;               ///< layers_to_transform; empty: all
  std::vector<std::string> layers_pattern;   ///< empty: whatever holds the layers
  std::vector<std::string> modules_to_save;  ///< never targets

  /// As check_target_module_exists. Every expression must be readable.
  bool choose(const SiteInfo& site) const;
};

/// Whether a regular expression of Python is one of ours too: no lookbehind, no named groups, no flags.
bool is_readable(const std::string& regex);

/// rank_pattern or alpha_pattern: `(.*\.)?(key)$`, first hit.
using Patterns = std::vector<std::pair<std::string, double>>;
std::optional<double> pattern_value(const Patterns& patterns, const SiteInfo& site);

/// A target in our words: a role, a path or a /regex/. Right for this model only if it chooses the same sites: compare.
std::string target_of_name(const std::string& name, const std::vector<BertSite>& sites);  // of a list
std::string target_of_regex(const std::string& regex);
std::string target_of_pattern(const std::string& pattern, const std::vector<BertSite>& sites);
/// The reverse; "" when there is no such thing as a name or pattern. Right only if it chooses the same sites: compare.
std::string name_of_target(const std::string& target);
std::string regex_of_target(const std::string& target);
std::string pattern_of_target(const std::string& target);

/// The sites one by one, as peft calls the modules.
std::vector<std::string> module_names(const std::vector<BertSite>& sites);

}  // namespace plugtune::lora
