#pragma once
// composed.h - the spans out of ATen's operations, differentiated by autograd: for types and devices without a kernel.
//
// Clear rather than fast. Each computes what its namesake one folder up promises, with the same dropout mask; bfloat16 and
// half are widened to float on the way.

#include "kernels/random.h"
#include "plugtune/layout.h"

namespace plugtune::kernels::composed {

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Layout& queries, const Layout& keys,
                 const Dropout& dropout);
Tensor dropout_residual_layer_norm(const Tensor& h, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                                   double eps, const Dropout& dropout);
Tensor bias_gelu(const Tensor& x, const Tensor& bias);
Tensor gelu(const Tensor& x);
Tensor embedding_layer_norm(const Tensor& words, const Tensor& types, const Tensor& positions, const Tensor& type_table,
                            const Tensor& position_table, const Tensor& weight, const Tensor& bias, double eps,
                            const Dropout& dropout);
Tensor dropout(const Tensor& x, const Dropout& dropout);

}  // namespace plugtune::kernels::composed
