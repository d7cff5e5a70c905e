// one_product.cc - when a patch may multiply by the weight itself.
#include "plugtune/blocks/one_product.h"

namespace plugtune {
inline namespace v1 {

bool may_multiply_once(const LinearSite& site, const LinearPatch& patch, const Tensor& x) {
  const bool is_innermost = !site.bare() && site.patches().front().second.get() == &patch;
  return is_innermost && x.element_size() >= 4;
}

}  // namespace v1
}  // namespace plugtune
