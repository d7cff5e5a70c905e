#pragma once
// junction.h - what joins a sublayer to the rows it was computed from.

#include "kernels/random.h"
#include "plugtune/layout.h"

namespace plugtune::kernels {

/// LayerNorm(dropout(h) + residual): (N,H) (N,H) (H) (H) -> (N,H), in one pass.
///
/// Saves the normalised rows and one number per row. Gradients are computed only where they are needed: those of weight
/// and bias cost nothing when these are frozen.
Tensor dropout_residual_layer_norm(const Tensor& h, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                                   double eps, const Dropout& dropout);

}  // namespace plugtune::kernels
