#pragma once
// dropout.h - dropout by itself, where no span around it is fused.

#include "kernels/random.h"
#include "plugtune/layout.h"

namespace plugtune::kernels {

/// x with elements zeroed with probability p and the others divided by 1 - p, any shape. Saves nothing but the seed.
/// Returns x itself when dropout is off.
Tensor dropout(const Tensor& x, const Dropout& dropout);

}  // namespace plugtune::kernels
