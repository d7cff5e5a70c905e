#pragma once
// peft_modules.h - how the configurations of peft 0.21 name modules: which sites they mean, and the names that mean given sites.
//
// peft matches against names of the whole model, "bert.encoder.layer.0.attention.self.key" (of a bare encoder without "bert.");
// our paths have no "bert.". Its tuners_utils.check_target_module_exists and utils.other.get_pattern_key.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/blocks/bert_sites.h"
#include "plugtune/blocks/site_numbers.h"
#include "plugtune/exchange.h"

namespace plugtune {
inline namespace v1 {

/// A list of names and ends of names, or one regular expression.
struct PLUGTUNE_API ModuleNames {
  std::vector<std::string> list;  ///< names as they stand in the file
  std::string regex;              ///< "": the list counts

  /// Names nothing.
  bool empty() const { return list.empty() && regex.empty(); }
  /// An end is whole words: "output.dense" means "attention.output.dense", but not "nonoutput.dense". @param path  ours
  bool match(const std::string& path) const;
  /// An end is any characters, as in feedforward_modules.
  bool match_loosely(const std::string& path) const;
};

/// The field as it is; what is wrong with it is noted. @param may_be_of_python  an expression that only Python reads is no problem
PLUGTUNE_API ModuleNames read_module_names(const ConfigView& view, const ConfigNode& config, const std::string& key,
                                           bool may_be_of_python = false);

/// The part of a configuration that chooses modules.
struct PLUGTUNE_API PeftModules {
  /// target_modules.
  ModuleNames targets, exclude;              ///< exclude_modules
  std::vector<int64_t> layers;               ///< layers_to_transform; empty: all
  std::vector<std::string> layers_pattern;   ///< empty: whatever holds the layers
  std::vector<std::string> modules_to_save;  ///< never targets

  /// As check_target_module_exists. Every expression must be readable.
  bool choose(const SiteInfo& site) const;
};

/// Reads target_modules ("all-linear" replaced by the linear layers of `sites`), exclude_modules, layers_to_transform,
/// layers_pattern and modules_to_save; what is wrong is noted.
PLUGTUNE_API PeftModules read_peft_modules(const ConfigView& view, const ConfigNode& config,
                                           const std::vector<BertSite>& sites);

/// The sites that the file is for. Of an expression that only Python reads: those that it holds a tensor `<path><mark>` of, with a
/// note. Throws Error when there are none.
PLUGTUNE_API std::vector<BertSite> chosen_sites(const PeftModules& modules, const std::vector<BertSite>& sites,
                                                const ForeignTensors& tensors, const std::vector<std::string>& marks,
                                                const ConfigView& view, std::vector<std::string>& notes);

/// Names, sorted, that mean just `chosen` of a model's sites: ends where all sites of a role are chosen, else paths.
PLUGTUNE_API std::vector<std::string> peft_names(const std::vector<BertSite>& chosen, const ModelInfo& model);
/// The end that names all sites of a role and no others; "" when there is none: "output.dense", of the feed-forward's second layer,
/// names attention.output.dense too.
PLUGTUNE_API std::string peft_end(Role role);

/// The linear layers of a delta whose method is applied at `targets`. Throws Error naming `method` when one of its tensors is of none of
/// them, but of the head.
PLUGTUNE_API std::vector<BertSite> linears_of(const MethodDelta& delta, const Selector& targets,
                                              const std::string& method, const ModelInfo& model);

/// rank_pattern or alpha_pattern: `(.*\.)?(key)$`, first hit.
using PeftPatterns = std::vector<std::pair<std::string, double>>;
/// In the file's order; what is wrong is noted.
PLUGTUNE_API PeftPatterns read_peft_patterns(const ConfigView& view, const std::string& key);
/// The same of numbers that are ranks: whole, at least 1.
PLUGTUNE_API PeftPatterns read_rank_pattern(const ConfigView& view);
/// The number of a site; nothing when no key matches.
PLUGTUNE_API std::optional<double> pattern_value(const PeftPatterns& patterns, const SiteInfo& site);

/// Whether a regular expression of Python is one of ours too: no lookbehind, no named groups, no flags.
PLUGTUNE_API bool is_readable(const std::string& regex);
/// 8 instead of 8.0: how the libraries write an alpha.
PLUGTUNE_API ConfigNode number_node(double number);
/// Numbers of those sites that have another one than `fallback`, by path: in our settings and as a pattern of peft's.
template <class NumberOf>
ConfigNode numbers_by_path(const std::vector<BertSite>& sites, double fallback, const NumberOf& number_of) {
  ConfigNode table{ConfigNode::Table{}};
  for (const BertSite& site : sites)
    if (number_of(site) != fallback) table.set(site.info.path, number_node(number_of(site)));
  return table;
}

/// What save_pretrained writes for every method of classification. @param type  "LORA"
PLUGTUNE_API ConfigNode peft_config(const std::string& type);
/// Fields of it that describe and do not compute, or that the host reads; and `others`.
PLUGTUNE_API std::vector<std::string> with_peft_fields(std::vector<std::string> others);

}  // namespace v1
}  // namespace plugtune
