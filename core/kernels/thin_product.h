#pragma once
// thin_product.h - batches of matrix products in which one of the three measures is 1.

#include "plugtune/layout.h"

namespace plugtune::kernels {

/// a (B,m,k) times b (B,k,n), where m, k or n is 1: a weighted sum, scores, or an outer product for each row of a packed batch. A
/// BLAS takes longer to begin such a product than to compute it.
/// Undefined where cpu/ has no kernel for them: another type or device, or nothing lies side by side in memory.
/// @return (B,m,n), float32 or bfloat16 as a and b are; sums are taken in float32
Tensor thin_product(const Tensor& a, const Tensor& b);

}  // namespace plugtune::kernels
