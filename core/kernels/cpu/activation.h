#pragma once
// activation.h - GELU over rows. Contiguous rows; bias null = none.

#include "kernels/cpu/elements.h"

namespace plugtune::kernels::cpu {

/// y = u Phi(u) with u = x + bias, rows [begin, end).
void gelu(const float* x, const float* bias, float* out, size_t begin, size_t end, size_t columns);
void gelu(const Bf16* x, const float* bias, Bf16* out, size_t begin, size_t end, size_t columns);

/// dx = dy (Phi(u) + u phi(u)), rows [begin, end).
/// @param grad_bias  (columns), overwritten with the sum of dx over these rows; null = not needed.
void gelu_gradient(const float* grad_out, const float* x, const float* bias, float* grad_x, size_t begin, size_t end,
                   size_t columns, float* grad_bias);
void gelu_gradient(const Bf16* grad_out, const Bf16* x, const float* bias, Bf16* grad_x, size_t begin, size_t end,
                   size_t columns, float* grad_bias);

}  // namespace plugtune::kernels::cpu
