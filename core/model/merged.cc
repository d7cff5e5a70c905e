// merged.cc - when merging is less work, and the merged weights.
#include "model/merged.h"

#include <algorithm>

#include "plugtune/capability.h"

namespace plugtune::model {
namespace {

thread_local bool merges_patches = false;

/// Merging costs an update of the weight's size, or of the rank times it; a patch by itself costs that of the rows. With as many
/// rows as here the second is twice the first for a low-rank update of any rank.
bool has_many_rows(const LinearSite& site, const Tensor& x) {
  const int64_t in = site.in_features(), out = site.out_features();
  return x.size(0) * (in + out) >= 2 * in * out;
}

bool is_exact(const LinearSite& site, const Tensor& x) {
  const torch::ScalarType type = site.weight.scalar_type();
  return (type == torch::kFloat32 || type == torch::kFloat64) && x.scalar_type() == type;
}

bool can_be_merged(const LinearSite& site, const Tensor& x) {
  if (!merges_patches || torch::GradMode::is_enabled() || site.is_training() || x.dim() != 2) return false;
  return is_exact(site, x) && has_many_rows(site, x) && std::ranges::all_of(site.patches(), [](const auto& entry) {
           return dynamic_cast<const Foldable*>(entry.second.get()) != nullptr;
         });
}

}  // namespace

MergesPatches::MergesPatches() : before_(merges_patches) { merges_patches = true; }
MergesPatches::~MergesPatches() { merges_patches = before_; }

bool is_plain(const LinearSite& site, const Tensor& x) { return site.bare() || can_be_merged(site, x); }

std::optional<kernels::Projection> plain_weights(const LinearSite& site, const Tensor& x) {
  if (site.bare()) return kernels::Projection{site.weight, site.bias};
  if (!can_be_merged(site, x)) return std::nullopt;
  kernels::Projection merged{site.weight.clone(), site.bias.clone()};
  for (const auto& [name, patch] : site.patches()) {
    try {
      dynamic_cast<const Foldable&>(*patch).fold(merged.weight, merged.bias);
      TORCH_CHECK(merged.weight.sizes() == site.weight.sizes() && merged.bias.sizes() == site.bias.sizes(),
                  "gives sizes ", merged.weight.sizes(), " and ", merged.bias.sizes(), ", it must keep ",
                  site.weight.sizes(), " and ", site.bias.sizes());
    } catch (const std::exception& error) {
      throw PatchError(site.info().path + "." + name, std::string("fold(): ") + error.what());
    }
  }
  return merged;
}

}  // namespace plugtune::model
