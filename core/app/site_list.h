#pragma once
// site_list.h - every site of a model: what it is, what patches are on it, and what is computed in one pass with it.

#include <functional>
#include <string>
#include <vector>

#include "model/bert.h"

namespace plugtune::app {

struct ListedSite {
  SiteInfo info;
  std::string kind;   ///< "linear", "junction", ...: which Site of sites.h
  std::string shape;  ///< "(N, 32) -> (N, 64)": what a patch gets and returns

  struct Patch {
    std::string name, plugin;
  };
  std::vector<Patch> patches;  ///< innermost first

  std::string fused;      ///< what it is computed with in one pass; "" when it is by itself
  std::string not_fused;  ///< of a site that can be, why it is by itself
};

/// In the order of the forward pass, the outer ones first.
/// @param plugin_of  the plugin that attached a patch, `<site path>.<patch>`
std::vector<ListedSite> list_sites(model::Bert& model,
                                   const std::function<std::string(const std::string& patch)>& plugin_of);

/// Why the last layer computes all rows instead of each sequence's first (Bert::computes_first_rows_only()); "" when it does not.
std::string why_all_rows(model::Bert& model);

}  // namespace plugtune::app
