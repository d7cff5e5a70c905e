#pragma once
// optimizer.h - passes over flat buffers: all trainable parameters, their gradients and moments, each one 1-d tensor.

#include <cstdint>
#include <vector>

#include "plugtune/layout.h"

namespace plugtune::kernels {

/// The sum of g^2 over a flat gradient, in double. The same bits for any number of threads.
double sum_of_squares(const Tensor& flat_grad);

/// Neighbouring elements [begin, end) of the flat buffers that share their settings.
struct AdamWSegment {
  int64_t begin, end;
  double learning_rate, weight_decay;
};

/// One step of torch.optim.AdamW on the elements of `segments`, in one pass over memory:
///   g = grad_scale grad,  p *= 1 - lr wd,  m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
///   p -= lr / (1 - b1^step) m / (sqrt(v) / sqrt(1 - b2^step) + eps)
/// @param params, grads, exp_avg, exp_avg_sq  1-d, contiguous, one type and size.  @param step  from 1.
/// @param grad_scale  the coefficient of gradient clipping, 1 = none.
/// @param bf16_copy  nullable; as long as params, receives them rounded to bfloat16.
void adamw(Tensor& params, const Tensor& grads, Tensor& exp_avg, Tensor& exp_avg_sq,
           const std::vector<AdamWSegment>& segments, double beta1, double beta2, double eps, int64_t step,
           double grad_scale, Tensor* bf16_copy);

}  // namespace plugtune::kernels
