#pragma once
// mixed_product.h - products of bf16 matrices whose sums stay fp32. Private to kernels/.

#include "plugtune/layout.h"

namespace plugtune::kernels {

/// True on the CPU for bf16 matrices, where libtorch carries MKL: ATen's own products round every result, and prepare the code of
/// each new number of rows anew.
bool has_mixed_product(const Tensor& matrix);

/// out (m,n) = a (m,k) b (k,n), or out += with `add`. a and b bf16, each may be a transpose or a range of columns; out fp32 with
/// rows in one piece. None may be empty.
void mixed_product(const Tensor& out, const Tensor& a, const Tensor& b, bool add);

}  // namespace plugtune::kernels
