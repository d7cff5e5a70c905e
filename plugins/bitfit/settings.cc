// settings.cc - reading and checking what trains.
#include "settings.h"

#include <algorithm>
#include <map>

namespace plugtune::bitfit {
namespace {

constexpr const char* kAll = "all";
constexpr const char* kAnyPath = "/.*/";
constexpr const char* kAnyLayer = "/encoder\\.layer\\..*/";  // what "all" means once layers are named

/// Ends of paths within a layer, the longer ones first.
constexpr std::pair<const char*, Role> kRoles[] = {
    {"attention.self.query", Role::kQuery},
    {"attention.self.key", Role::kKey},
    {"attention.self.value", Role::kValue},
    {"attention.output.dense", Role::kAttentionOutput},
    {"attention.output.LayerNorm", Role::kAfterAttention},
    {"intermediate.dense", Role::kFfnUp},
    {"output.dense", Role::kFfnDown},
    {"output.LayerNorm", Role::kAfterFfn},
};

}  // namespace

Owner owner_of(const std::string& path) {
  static const std::string kLayer = "encoder.layer.";
  Owner owner{{path, Role::kNone, -1}, path.ends_with("LayerNorm")};
  if (path == "pooler.dense") owner.site.role = Role::kPooler;
  if (!path.starts_with(kLayer)) return owner;
  owner.site.layer = std::stoll(path.substr(kLayer.size()));
  for (const auto& [end, role] : kRoles) {
    if (!path.ends_with(end)) continue;
    owner.site.role = role;
    break;
  }
  return owner;
}

BitFitSettings::BitFitSettings(const ConfigView& view) : config(view) {
  static const std::vector<std::string> kKinds = {"bias", "layer_norm"};
  for (const std::string& kind : config.strings("what", {"bias"})) {
    biases |= kind == "bias";
    layer_norms |= kind == "layer_norm";
    if (std::ranges::count(kKinds, kind) == 0)
      config.problem("what", "must be of bias and layer_norm, got \"" + kind + "\"" + did_you_mean(kind, kKinds));
  }
  if (!biases && !layer_norms && config.problems().empty())
    config.problem("what", "must name bias, layer_norm or both");
  selector = config.selector({kAll});
  const std::string layers = config.string("layers", "");
  if (std::ranges::count(selector.targets(), kAll) > 0 && config.problems().empty())
    selector = Selector({layers.empty() ? kAnyPath : kAnyLayer}, layers, selector.subject());
  config.reject_unknown();
}

bool BitFitSettings::is_of_kind(const Owner& owner, const std::string& parameter) const {
  return (biases && parameter == "bias") || (layer_norms && owner.is_layer_norm);
}

bool BitFitSettings::trains(const Owner& owner, const std::string& parameter) const {
  return is_of_kind(owner, parameter) && selector.matches(owner.site);
}

}  // namespace plugtune::bitfit
