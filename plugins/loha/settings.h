#pragma once
// settings.h - the table of an experiment file that sets up LoHa, and which site has which numbers.

#include <string>

#include "plugtune/blocks/site_numbers.h"
#include "plugtune/plugtune.h"

namespace plugtune::loha {

struct LohaSettings {
  /// Reads every key and throws Error with everything that is wrong.
  explicit LohaSettings(const ConfigView& view)
      : config(view),
        targets(view.selector({"query", "value"})),
        name(view.string("name", "loha")),
        rank(view.integer("rank", 8, /*min=*/1)),
        alpha(view.number("alpha", 8)),
        ranks(view, "ranks"),
        alphas(view, "alphas"),
        module_dropout(view.number("module_dropout", 0, 0, 0.999999)) {
    ranks.check_ranks(view, "ranks");
    view.reject_unknown();
  }

  int64_t rank_at(const SiteInfo& site) const {
    return static_cast<int64_t>(ranks.at(site).value_or(static_cast<double>(rank)));
  }
  double alpha_at(const SiteInfo& site) const { return alphas.at(site).value_or(alpha); }

  ConfigView config;
  Selector targets;
  std::string name;  ///< of the patch
  int64_t rank;
  double alpha;
  SiteNumbers ranks, alphas;  ///< of the sites that have others
  double module_dropout;
};

}  // namespace plugtune::loha
