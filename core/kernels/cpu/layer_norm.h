#pragma once
// layer_norm.h - LayerNorm over rows with what stands before and after it in an encoder. Contiguous rows of H columns.

#include "kernels/cpu/elements.h"

namespace plugtune::kernels::cpu {

/// y = x^ w + b with x^ = (s - mean(s)) / sqrt(var(s) + eps), each row s by itself.
struct LayerNormParameters {
  const float* weight;  ///< (H)
  const float* bias;    ///< (H)
  float eps;
  size_t columns;  ///< H
};

/// s = mask(h) + residual, y = LayerNorm(s).
template <class T>
struct Junction {
  const T* h;
  const T* residual;
  T* out;
  T* normalized;       ///< x^ for backward; null = not needed
  float* inverse_std;  ///< (N) for backward; null = not needed
  Mask mask;
};

/// s = words + type_table[types] + position_table[positions], y = mask(LayerNorm(s)).
template <class T>
struct EmbeddingSum {
  const T* words;
  const int64_t* types;
  const int64_t* positions;
  const T* type_table;
  const T* position_table;
  T* out;
  T* normalized;  ///< as in Junction
  float* inverse_std;
  Mask mask;
};

/// g = the gradient of LayerNorm's output;
///   ds = (g w - mean(g w) - x^ mean(g w x^)) / std,  dw += g x^,  db += g
template <class T>
struct LayerNormGradient {
  const T* grad_out;
  const T* normalized;
  const float* inverse_std;
  T* grad_sum;     ///< ds; null = not needed
  T* grad_masked;  ///< mask(ds); null = not needed
  Mask mask;
  bool mask_grad_out;  ///< g = mask(grad_out), else g = grad_out
};

void junction(const LayerNormParameters& norm, const Junction<float>& rows, size_t begin, size_t end);
void junction(const LayerNormParameters& norm, const Junction<Bf16>& rows, size_t begin, size_t end);
void embedding_sum(const LayerNormParameters& norm, const EmbeddingSum<float>& rows, size_t begin, size_t end);
void embedding_sum(const LayerNormParameters& norm, const EmbeddingSum<Bf16>& rows, size_t begin, size_t end);

/// @param grad_weight, grad_bias  (H) each, overwritten with the sums over the rows [begin, end); both null = not needed.
void layer_norm_gradient(const LayerNormParameters& norm, const LayerNormGradient<float>& rows, size_t begin,
                         size_t end, float* grad_weight, float* grad_bias);
void layer_norm_gradient(const LayerNormParameters& norm, const LayerNormGradient<Bf16>& rows, size_t begin, size_t end,
                         float* grad_weight, float* grad_bias);

}  // namespace plugtune::kernels::cpu
