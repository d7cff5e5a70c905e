#pragma once
// merged.h - linear layers that compute with their patches merged into a copy of their weight.

#include <optional>

#include "kernels/linear.h"
#include "plugtune/sites.h"

namespace plugtune::model {

/// While one is alive in a thread, passes without a graph merge the patches of a linear layer into a copy of its weight where
/// that is less work: all of them Foldable, fp32 or float64, and many rows. The copy lives for the one product. The same numbers
/// up to rounding. For predictions over a whole split; `plugtune check` compares patches with their fold() and has none.
class MergesPatches {
 public:
  MergesPatches();
  ~MergesPatches();
  MergesPatches(const MergesPatches&) = delete;
  MergesPatches& operator=(const MergesPatches&) = delete;

 private:
  bool before_;
};

/// What the layer multiplies x (N,in) by: its own weight and bias when it is bare, merged ones where MergesPatches says so;
/// nullopt: its patches have to be called. Throws PatchError with what fold() throws.
std::optional<kernels::Projection> plain_weights(const LinearSite& site, const Tensor& x);
/// Whether plain_weights() has any, without making them.
bool is_plain(const LinearSite& site, const Tensor& x);

}  // namespace plugtune::model
