#pragma once
// mixed_product.h - products of bf16 matrices whose sums stay fp32.

#include <vector>

#include "plugtune/layout.h"

namespace plugtune::kernels {

/// True on the CPU for bf16 matrices, where libtorch carries MKL: ATen's own products round every result, and prepare the code of
/// each new number of rows anew.
bool has_mixed_product(const Tensor& matrix);

/// out (m,n) = scale a (m,k) b (k,n), or out += with `add`. a and b bf16, each may be a transpose or a range of columns; out fp32 with
/// rows in one piece. None may be empty.
void mixed_product(const Tensor& out, const Tensor& a, const Tensor& b, bool add, double scale = 1);

/// What one product of a sum of products multiplies.
struct Factors {
  Tensor rows, matrix;  // (N,k) and (k,n), k may differ
};

/// out (N,n) = addend + scale times the sum of all rows matrix, rounded once. All bf16.
/// @param addend  (n), added to every row, or (N,n); undefined = none.
void rounded_products(const Tensor& out, const std::vector<Factors>& all, const Tensor& addend, double scale = 1);

}  // namespace plugtune::kernels
