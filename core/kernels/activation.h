#pragma once
// activation.h - GELU in its exact form, x Phi(x) with Phi the normal distribution (Hendrycks and Gimpel 2016).

#include "plugtune/layout.h"

namespace plugtune::kernels {

/// gelu(x + bias): x (N,F) is a product without its bias (F). Saves x and bias; the bias gets a gradient only if it needs one.
Tensor bias_gelu(const Tensor& x, const Tensor& bias);

/// gelu(x), any shape. Saves x.
Tensor gelu(const Tensor& x);

}  // namespace plugtune::kernels
