#pragma once
// random.h - dropout as a value: a probability and a seed, from which the same mask is made in forward and backward.

#include <torch/types.h>

#include <cstdint>

#include "plugtune/layout.h"

namespace plugtune::kernels {

/// Which elements a span drops. The mask is a pure function of (seed, position of the element): it is made again in
/// backward instead of being stored, and it depends neither on the number of threads nor on the instruction set.
struct Dropout {
  double p = 0;       ///< probability of zeroing an element, 0 <= p <= 1; 0 = off. Used in steps of 1 / 65,536.
  uint64_t seed = 0;  ///< of this use of this span in this step
};

/// Off unless `training` and p > 0; else with a seed drawn from torch's default CPU generator, so that one
/// torch::manual_seed makes a whole run repeatable.
Dropout draw_dropout(double p, bool training);

/// The multipliers of a (rows, columns) span, (rows, columns) float32 on the CPU: 0 where an element is dropped, else
/// 1 / (1 - p). Row r is stream first_row + r of the generator.
Tensor dropout_multipliers(const Dropout& dropout, int64_t rows, int64_t columns, int64_t first_row = 0);

}  // namespace plugtune::kernels
