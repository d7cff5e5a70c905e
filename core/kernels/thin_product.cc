// thin_product.cc - which of the three loops of cpu/thin.h a batched product is.
#include "kernels/thin_product.h"

#include "kernels/cpu/thin.h"
#include "kernels/tensors.h"

namespace plugtune::kernels {
namespace {

using cpu::Matrices;
using cpu::ThinShape;
using cpu::Vectors;

/// Fewer columns than a vector has lanes are left to ATen.
constexpr int64_t kLeastColumns = 16;

bool is_supported(const Tensor& a, const Tensor& b) {
  return has_cpu_kernel(a) && b.device().is_cpu() && a.scalar_type() == b.scalar_type() && a.dim() == 3 &&
         b.dim() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(1) && a.numel() > 0 && b.numel() > 0;
}

/// matrix (B,rows,columns)
template <class T>
Matrices<T> matrices_of(const Tensor& matrix) {
  return {elements<T>(matrix), static_cast<size_t>(matrix.stride(0)), static_cast<size_t>(matrix.stride(1))};
}

/// vector (B,length)
template <class T>
Vectors<T> vectors_of(const Tensor& vector) {
  return {elements<T>(vector), static_cast<size_t>(vector.stride(0)), static_cast<size_t>(vector.stride(1))};
}

bool has_columns(const Tensor& matrix) { return matrix.stride(-1) == 1 && matrix.size(-1) >= kLeastColumns; }

/// body(element, shape) for parts of the batch, in parallel.
template <class Body>
void for_each_part(const Tensor& out, int64_t rows, int64_t columns, const Body& body) {
  with_elements_of(out, [&](auto element) {
    for_each_chunk(out.size(0), [&](int64_t, size_t begin, size_t end) {
      body(element, ThinShape{begin, end, static_cast<size_t>(rows), static_cast<size_t>(columns)});
    });
  });
}

/// out (B,r) = matrix (B,r,c) times vector (B,c); false: no loop fits.
bool multiply(const Tensor& matrix, const Tensor& vector, const Tensor& out) {
  const int64_t rows = matrix.size(1), columns = matrix.size(2);
  if (has_columns(matrix) && vector.stride(1) == 1) {
    for_each_part(out, rows, columns, [&](auto element, const ThinShape& shape) {
      using T = decltype(element);
      cpu::matrix_times_vector<T>(matrices_of<T>(matrix), vectors_of<T>(vector), shape, elements<T>(out));
    });
    return true;
  }
  const Tensor turned = matrix.transpose(1, 2);  // (B,c,r): its rows, weighted, add up to out
  if (!has_columns(turned)) return false;
  for_each_part(out, columns, rows, [&](auto element, const ThinShape& shape) {
    using T = decltype(element);
    cpu::weighted_rows<T>(matrices_of<T>(turned), vectors_of<T>(vector), shape, elements<T>(out));
  });
  return true;
}

/// out (B,r,c) = weights (B,r) times x (B,c); false: no loop fits.
bool multiply_out(const Tensor& weights, const Tensor& x, const Tensor& out) {
  if (!has_columns(x)) return false;
  for_each_part(out, weights.size(1), x.size(1), [&](auto element, const ThinShape& shape) {
    using T = decltype(element);
    cpu::outer_product<T>(vectors_of<T>(weights), vectors_of<T>(x), shape, elements<T>(out));
  });
  return true;
}

bool compute(const Tensor& a, const Tensor& b, const Tensor& out) {
  if (b.size(2) == 1) return multiply(a, b.squeeze(2), out.squeeze(2));
  if (a.size(1) == 1) return multiply(b.transpose(1, 2), a.squeeze(1), out.squeeze(1));
  return a.size(2) == 1 && multiply_out(a.squeeze(2), b.squeeze(1), out);
}

}  // namespace

Tensor thin_product(const Tensor& a, const Tensor& b) {
  if (!is_supported(a, b)) return {};
  Tensor out = torch::empty({a.size(0), a.size(1), b.size(2)}, a.options());
  return compute(a, b, out) ? out : Tensor();
}

}  // namespace plugtune::kernels
