#pragma once
// linear.h - products of packed rows with weights, whose gradients are added where they belong.

#include <array>

#include "plugtune/layout.h"

namespace plugtune::kernels {

/// One linear layer: weight (out,in), bias (out) or undefined.
struct Projection {
  Tensor weight, bias;
};

/// x W^T + b: x (N,in) -> (N,out). Saves x where the weight needs a gradient.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

/// Three of the same rows side by side, queries, keys and values: (N,in) -> (N, sum of out). Biases are defined. The gradient of x
/// is summed inside the products.
Tensor linear(const Tensor& x, const std::array<Projection, 3>& projections);

/// While one is alive in a thread, backward passes of linear() in it add the gradients of weights and biases to the `grad` that
/// these have, instead of handing autograd a tensor each to be added there. The `grad` of a bf16 parameter may be fp32: the product is
/// then never rounded. For the trainer's own backward pass: what torch::autograd::grad() returns would lack them. A parameter that has
/// no `grad`, or a hook, is left to autograd.
class GradientsInPlace {
 public:
  GradientsInPlace();
  ~GradientsInPlace();
  GradientsInPlace(const GradientsInPlace&) = delete;
  GradientsInPlace& operator=(const GradientsInPlace&) = delete;

 private:
  bool before_;
};

}  // namespace plugtune::kernels
