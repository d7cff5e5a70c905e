// one_product.cc - a patch that multiplies by the weight itself.
#include "plugtune/blocks/one_product.h"

#include <ATen/record_function.h>

#include <vector>

namespace plugtune {
inline namespace v1 {

bool may_multiply_once(const LinearSite& site, const LinearPatch& patch, const Tensor& x) {
  const bool is_innermost = !site.bare() && site.patches().front().second.get() == &patch;
  return is_innermost && x.element_size() >= 4;
}

Tensor multiply_once(const LinearSite& site, const Tensor& x, const Tensor& weight) {
  RECORD_USER_SCOPE_WITH_INPUTS(site.info().path, std::vector<c10::IValue>{x});
  return torch::linear(x, weight, site.bias);
}

}  // namespace v1
}  // namespace plugtune
