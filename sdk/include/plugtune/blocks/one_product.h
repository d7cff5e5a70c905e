#pragma once
// one_product.h - a linear layer and its update as one product with W + update, where that is the same.

#include "plugtune/export.h"
#include "plugtune/sites.h"

namespace plugtune {
inline namespace v1 {

/// Whether `patch`, of `site`, may multiply x (N, in) by W + update in place of next(x): nothing is inside of it that next()
/// would call, and x has 32 bits or more, as in 16 the weight would round the update away. Dropout of the update's own input
/// forbids it too, which the patch knows. Whether it is less work depends on the method.
PLUGTUNE_API bool may_multiply_once(const LinearSite& site, const LinearPatch& patch, const Tensor& x);

/// x (N, in) by `weight` (out, in), plus the site's bias: the site's own product with another weight. `--profile` tells it as
/// the site's.  (N, out)
PLUGTUNE_API Tensor multiply_once(const LinearSite& site, const Tensor& x, const Tensor& weight);

}  // namespace v1
}  // namespace plugtune
