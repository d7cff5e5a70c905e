#pragma once
// recompute.h - a part of the forward pass that is computed again in the backward pass instead of kept.

#include <functional>

#include "plugtune/layout.h"

namespace plugtune::model {

/// compute(h), of which only h is kept for backward: there it is computed again, with the same random numbers. The gradients are
/// the same to the bit. Chen et al. 2016, arXiv:1604.06174.
/// @param compute  depends on h and parameters alone, and may be called after this returned. It runs without a graph first.
Tensor recomputed(const Tensor& h, std::function<Tensor(const Tensor&)> compute);

}  // namespace plugtune::model
