// mixed_product.cc - bf16 products by the MKL inside libtorch: AMX or AVX512-BF16 where the processor has them.
#include "kernels/mixed_product.h"

#include <algorithm>
#include <cstdint>

// libtorch exports MKL's C interface without its header. Weak: a libtorch that was built without MKL has no such function.
extern "C" __attribute__((weak)) void cblas_gemm_bf16bf16f32(int layout, int transpose_a, int transpose_b, int m, int n,
                                                             int k, float alpha, const uint16_t* a, int stride_a,
                                                             const uint16_t* b, int stride_b, float beta, float* c,
                                                             int stride_c);

namespace plugtune::kernels {
namespace {

constexpr int kRowMajor = 101, kAsIs = 111, kTransposed = 112;  // CBLAS_LAYOUT, CBLAS_TRANSPOSE

/// A matrix as BLAS takes it: rows `stride` apart, or the transpose of such a matrix.
struct Operand {
  Tensor matrix;
  int transpose, stride;
};

bool has_rows(const Tensor& matrix) {
  return (matrix.stride(1) == 1 || matrix.size(1) == 1) && (matrix.stride(0) >= matrix.size(1) || matrix.size(0) == 1);
}

int row_stride(const Tensor& matrix) {
  return static_cast<int>(matrix.size(0) == 1 ? matrix.size(1) : matrix.stride(0));
}

Operand operand_of(const Tensor& matrix) {
  if (has_rows(matrix)) return {matrix, kAsIs, row_stride(matrix)};
  if (const Tensor turned = matrix.t(); has_rows(turned)) return {matrix, kTransposed, row_stride(turned)};
  const Tensor rows = matrix.contiguous();
  return {rows, kAsIs, row_stride(rows)};
}

const uint16_t* bits_of(const Operand& operand) { return static_cast<const uint16_t*>(operand.matrix.data_ptr()); }

}  // namespace

bool has_mixed_product(const Tensor& matrix) {
  return matrix.device().is_cpu() && matrix.scalar_type() == torch::kBFloat16 && cblas_gemm_bf16bf16f32 != nullptr;
}

void mixed_product(const Tensor& out, const Tensor& a, const Tensor& b, bool add) {
  TORCH_INTERNAL_ASSERT(out.scalar_type() == torch::kFloat && has_rows(out) && a.scalar_type() == torch::kBFloat16 &&
                        b.scalar_type() == torch::kBFloat16);
  TORCH_INTERNAL_ASSERT(a.size(0) == out.size(0) && b.size(1) == out.size(1) && a.size(1) == b.size(0));
  const Operand left = operand_of(a), right = operand_of(b);
  cblas_gemm_bf16bf16f32(kRowMajor, left.transpose, right.transpose, static_cast<int>(out.size(0)),
                         static_cast<int>(out.size(1)), static_cast<int>(a.size(1)), 1.0F, bits_of(left), left.stride,
                         bits_of(right), right.stride, add ? 1.0F : 0.0F, out.mutable_data_ptr<float>(),
                         row_stride(out));
}

}  // namespace plugtune::kernels
