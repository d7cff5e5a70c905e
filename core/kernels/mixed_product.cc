// mixed_product.cc - bf16 products by the MKL inside libtorch: AMX or AVX512-BF16 where the processor has them.
#include "kernels/mixed_product.h"

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/rows.h"
#include "kernels/tensors.h"

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

/// Rows that are multiplied at a time: bounds the memory of the sums.
constexpr int64_t kBlockRows = 1024;

const uint16_t* bits_of(const Operand& operand) { return static_cast<const uint16_t*>(operand.matrix.data_ptr()); }

void round_into(const Tensor& out, const Tensor& sums, const Tensor& bias) {
  const Tensor floats = bias.defined() ? as_floats(bias) : Tensor();
  for_each_chunk(sums.size(0), [&](int64_t, int64_t begin, int64_t end) {
    cpu::round_rows(elements<float>(sums), elements<float>(floats), elements<cpu::Bf16>(out), out.stride(0), begin, end,
                    sums.size(1));
  });
}

}  // namespace

bool has_mixed_product(const Tensor& matrix) {
  return matrix.device().is_cpu() && matrix.scalar_type() == torch::kBFloat16 && cblas_gemm_bf16bf16f32 != nullptr;
}

void mixed_product(const Tensor& out, const Tensor& a, const Tensor& b, bool add, double scale) {
  TORCH_INTERNAL_ASSERT(out.scalar_type() == torch::kFloat && has_rows(out) && a.scalar_type() == torch::kBFloat16 &&
                        b.scalar_type() == torch::kBFloat16);
  TORCH_INTERNAL_ASSERT(a.size(0) == out.size(0) && b.size(1) == out.size(1) && a.size(1) == b.size(0));
  const Operand left = operand_of(a), right = operand_of(b);
  cblas_gemm_bf16bf16f32(kRowMajor, left.transpose, right.transpose, static_cast<int>(out.size(0)),
                         static_cast<int>(out.size(1)), static_cast<int>(a.size(1)), static_cast<float>(scale),
                         bits_of(left), left.stride, bits_of(right), right.stride, add ? 1.0F : 0.0F,
                         out.mutable_data_ptr<float>(), row_stride(out));
}

void rounded_products(const Tensor& out, const std::vector<Factors>& all, const Tensor& addend, double scale) {
  const int64_t rows = out.size(0), block = std::min(rows, kBlockRows);
  if (out.numel() == 0) return;
  const bool is_bias = !addend.defined() || addend.dim() == 1;
  const Tensor memory = torch::empty({block, out.size(1)}, torch::kFloat);
  for (int64_t begin = 0; begin < rows; begin += block) {
    const int64_t count = std::min(block, rows - begin);
    const Tensor sums = memory.narrow(0, 0, count);
    for (size_t i = 0; i < all.size(); ++i)
      mixed_product(sums, all[i].rows.narrow(0, begin, count), all[i].matrix, /*add=*/i > 0, scale);
    if (!is_bias) sums.add_(addend.narrow(0, begin, count));
    round_into(out.narrow(0, begin, count), sums, is_bias ? addend : Tensor());
  }
}

}  // namespace plugtune::kernels
