#pragma once
// thin.h - products of many small matrices with vectors: weighted sums, scores and outer products, a few rows each.

#include "kernels/cpu/elements.h"

namespace plugtune::kernels::cpu {

/// Matrices of a batch, whose columns lie side by side. Strides in elements.
template <class T>
struct Matrices {
  const T* data;
  size_t matrix_stride, row_stride;
};

/// Vectors of a batch.
template <class T>
struct Vectors {
  const T* data;
  size_t vector_stride, element_stride;
};

/// What of a batch is computed, and the measures of its matrices.
struct ThinShape {
  size_t begin, end, rows, columns;
};

// T is float or Bf16; sums are taken in float. Results of one batch item lie behind each other.

/// out (rows) = the matrix times x (columns), whose elements lie side by side.
template <class T>
void matrix_times_vector(const Matrices<T>& matrices, const Vectors<T>& x, const ThinShape& shape, T* out);

/// out (columns) = the sum of the rows, each times its weight (rows).
template <class T>
void weighted_rows(const Matrices<T>& matrices, const Vectors<T>& weights, const ThinShape& shape, T* out);

/// out (rows, columns) = weights (rows) times x (columns), whose elements lie side by side.
template <class T>
void outer_product(const Vectors<T>& weights, const Vectors<T>& x, const ThinShape& shape, T* out);

}  // namespace plugtune::kernels::cpu
