#pragma once
// rows.h - what stands around a matrix product: bias, rounding, sums of columns.

#include "kernels/cpu/elements.h"

namespace plugtune::kernels::cpu {

/// out = x + bias, rounded, rows [begin, end). Rows of x are contiguous, those of out are `out_stride` apart; bias null = none.
void round_rows(const float* x, const float* bias, Bf16* out, size_t out_stride, size_t begin, size_t end,
                size_t columns);

/// sums (columns), overwritten with the sum of rows [begin, end), which are `stride` apart.
void sum_columns(const float* rows, size_t stride, size_t begin, size_t end, size_t columns, float* sums);
void sum_columns(const Bf16* rows, size_t stride, size_t begin, size_t end, size_t columns, float* sums);

}  // namespace plugtune::kernels::cpu
