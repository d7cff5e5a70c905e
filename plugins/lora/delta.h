#pragma once
// delta.h - a delta of LoRA taken apart for writing: its settings, its sites, its tensors by name.

#include <map>
#include <string>
#include <vector>

#include "plugtune/blocks/peft_modules.h"
#include "settings.h"

namespace plugtune::lora {

struct LoraDelta {
  /// Throws Error when the settings are not LoRA's, or mean no site, or the classifier, whose update no format holds.
  LoraDelta(const MethodDelta& delta, const std::string& format, const ExchangeBase& base);

  /// Of a chosen site: "update.a", "update.b", "magnitude". Throws Error when the delta does not hold it.
  Tensor at(const BertSite& site, const std::string& parameter) const;
  double scale(const BertSite& site) const { return low_rank_scale(settings.options(site.info)); }

  LoraSettings settings;
  std::vector<BertSite> sites;            ///< all, in forward order
  std::vector<BertSite> chosen;           ///< those that have an update
  std::map<std::string, Tensor> tensors;  ///< by delta key
};

ConfigNode text_node(const std::string& text);
ConfigNode integers_node(const std::vector<int64_t>& numbers);
/// What becomes null.
ConfigNode null_node();

}  // namespace plugtune::lora
