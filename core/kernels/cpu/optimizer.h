#pragma once
// optimizer.h - passes over flat float buffers.

#include "kernels/cpu/elements.h"

namespace plugtune::kernels::cpu {

/// Sum of squares, accumulated in double.
double sum_of_squares(const float* x, size_t n);

/// The numbers of one AdamW step: see kernels/optimizer.h.
struct AdamW {
  float decay;  ///< 1 - learning_rate * weight_decay
  float beta1, beta2;
  float keep1, keep2;  ///< 1 - beta, from double
  float step_size;     ///< learning_rate / (1 - beta1^step)
  float inverse_root;  ///< 1 / sqrt(1 - beta2^step)
  float eps;
  float grad_scale;
};

/// @param bf16_copy  null = not wanted
void adamw(const AdamW& step, float* params, const float* grads, float* exp_avg, float* exp_avg_sq, Bf16* bf16_copy,
           size_t n);

}  // namespace plugtune::kernels::cpu
