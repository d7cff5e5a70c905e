#pragma once
// layer_norm_rows.h - what the junction and the embedding share around LayerNorm. Private to kernels/.

#include "kernels/cpu/layer_norm.h"
#include "kernels/tensors.h"

namespace plugtune::kernels {

/// A LayerNorm's output and what backward needs of it; undefined without a graph.
struct NormalizedRows {
  Tensor out;          // (N, H)
  Tensor normalized;   // (N, H), before weight and bias, in the type of the rows
  Tensor inverse_std;  // (N) float
};

inline NormalizedRows empty_rows(const Tensor& like, bool keep) {
  NormalizedRows rows{torch::empty(like.sizes(), like.options()), {}, {}};
  if (keep) {
    rows.normalized = torch::empty(like.sizes(), like.options());
    rows.inverse_std = torch::empty({like.size(0)}, torch::kFloat);
  }
  return rows;
}

/// The gradients of a LayerNorm whose input was a sum of rows; undefined where they were not asked for.
struct LayerNormGradients {
  Tensor sum;           // (N, H), of each summand
  Tensor masked;        // (N, H), of the summand that dropout stands before
  Tensor weight, bias;  // (H)
};

struct LayerNormNeeds {
  bool sum, masked, parameters;
};

/// @param mask_grad_out  dropout stood after LayerNorm, not before one summand.
LayerNormGradients layer_norm_backward(const Tensor& grad_out, const Tensor& normalized, const Tensor& inverse_std,
                                       const Tensor& weight, const Dropout& dropout, bool mask_grad_out,
                                       LayerNormNeeds needs);

}  // namespace plugtune::kernels
