#pragma once
// reference.h - every span as its formula reads, one number at a time in double: the truth in tests.
//
// Nothing here is shared with the kernels, not even the random numbers. All tensors are contiguous, double and on the CPU.

#include "kernels/optimizer.h"
#include "kernels/random.h"
#include "plugtune/layout.h"

namespace plugtune::kernels::reference {

/// The four words of Philox4x32 with 7 rounds. Salmon et al. 2011; constants from their Random123.
struct PhiloxBlock {
  uint32_t words[4];
};
PhiloxBlock philox(PhiloxBlock counter, uint32_t key0, uint32_t key1);

/// 0, or 1 / (1 - p), p rounded to steps of 1 / 65,536.
double multiplier(const Dropout& dropout, uint64_t stream, uint64_t element);

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Layout& queries, const Layout& keys,
                 const Dropout& dropout);
Tensor dropout_residual_layer_norm(const Tensor& h, const Tensor& residual, const Tensor& weight, const Tensor& bias,
                                   double eps, const Dropout& dropout);
Tensor bias_gelu(const Tensor& x, const Tensor& bias);
Tensor embedding_layer_norm(const Tensor& words, const Tensor& types, const Tensor& positions, const Tensor& type_table,
                            const Tensor& position_table, const Tensor& weight, const Tensor& bias, double eps,
                            const Dropout& dropout);

/// In place, as kernels::adamw.
void adamw(Tensor params, const Tensor& grads, Tensor exp_avg, Tensor exp_avg_sq,
           const std::vector<AdamWSegment>& segments, double beta1, double beta2, double eps, int64_t step,
           double grad_scale);

}  // namespace plugtune::kernels::reference
