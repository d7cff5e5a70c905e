// model.cc - choosing sites by role, path and layer.
#include "plugtune/model.h"

#include <algorithm>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

template <class SitePointer>
std::vector<SitePointer> select(const std::vector<SitePointer>& sites, const Selector& selector, const char* kind,
                                int64_t layers) {
  std::vector<SiteInfo> infos;
  std::vector<std::string> roles;
  for (const auto& site : sites) {
    infos.push_back(site->info());
    const std::string role = role_name(site->info().role);
    if (std::find(roles.begin(), roles.end(), role) == roles.end()) roles.push_back(role);
  }
  for (const std::string& target : selector.unmatched(infos)) {
    if (target.find_first_of(".*?/") == std::string::npos) {
      const std::string hint = did_you_mean(target, roles);
      throw Error(selector.subject() + ": no " + kind + " has role '" + target + "'" +
                  (hint.empty() ? "; " : hint + " ") + "roles: " + join(roles));
    }
    throw Error(selector.subject() + ": no " + kind + " has a path like '" + target + "'; paths look like '" +
                infos.front().path + "'");
  }
  if (selector.highest_layer() >= layers) {
    throw Error(selector.subject() + ": the model has layers 0 to " + std::to_string(layers - 1) + ", got " +
                std::to_string(selector.highest_layer()));
  }
  std::vector<SitePointer> chosen;
  for (const auto& site : sites) {
    if (selector.matches(site->info())) chosen.push_back(site);
  }
  if (chosen.empty() && !selector.targets().empty())
    throw Error(selector.subject() + ": no " + kind + " of these targets is in the layers that are named");
  return chosen;
}

}  // namespace

Model::~Model() = default;

std::vector<LinearSite*> Model::linears(const Selector& selector) {
  return select(all_linear(), selector, "linear layer", info().layers);
}
std::vector<JunctionSite*> Model::junctions(const Selector& selector) {
  return select(all_junctions(), selector, "junction", info().layers);
}

}  // namespace v1
}  // namespace plugtune
