// layer_norm.cc - fused rows around LayerNorm (Ba, Kiros and Hinton 2016, arXiv:1607.06450), forward and backward.
//
// A row (1-3 KB) is read once, lives in L1 while its moments are taken (two passes: no cancellation), and is written once.
// Loops run over columns in vectors; callers share rows among threads. Measured by tests/bench/kernels.
#include "kernels/cpu/layer_norm.h"

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/layer_norm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "kernels/cpu/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

/// From a row s and the sum of its elements: y, and for backward x^ and 1/std where they are asked for.
/// Without `multipliers`, y is not masked.
template <class T>
HWY_INLINE void normalize_row(const LayerNormParameters& norm, const float* s, Vector lane_sums,
                              const float* multipliers, T* out, T* normalized, float* inverse_std) {
  const F32 d;
  const size_t columns = norm.columns;
  const float mean = hn::GetLane(hn::SumOfLanes(d, lane_sums)) / static_cast<float>(columns);
  const auto means = hn::Set(d, mean);
  auto squares = hn::Zero(d);
  for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
    const auto centred = keep(hn::Sub(load(s + i, Whole()), means), part, 0);
    squares = hn::MulAdd(centred, centred, squares);
  });
  const float variance = hn::GetLane(hn::SumOfLanes(d, squares)) / static_cast<float>(columns);
  const float rstd = 1 / std::sqrt(variance + norm.eps);
  if (inverse_std != nullptr) *inverse_std = rstd;

  const auto rstds = hn::Set(d, rstd);
  for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
    const auto x = hn::Mul(hn::Sub(load(s + i, Whole()), means), rstds);
    if (normalized != nullptr) store(x, normalized + i, part);
    auto y = hn::MulAdd(x, load(norm.weight + i, part), load(norm.bias + i, part));
    if (multipliers != nullptr) y = hn::Mul(y, load(multipliers + i, Whole()));
    store(y, out + i, part);
  });
}

template <class T>
HWY_INLINE void junction_rows(const LayerNormParameters& norm, const Junction<T>& rows, size_t begin, size_t end) {
  const F32 d;
  const size_t columns = norm.columns;
  const auto sums = row_buffer(columns), multipliers = row_buffer(columns);
  float* const s = sums.get();
  const float* const m = multipliers.get();
  for (size_t row = begin; row < end; ++row) {
    const T* const h = rows.h + row * columns;
    const T* const residual = rows.residual + row * columns;
    auto total = hn::Zero(d);
    if (rows.mask.on()) {
      fill_mask(rows.mask, row, 0, columns, multipliers.get());
      for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
        const auto sum = hn::MulAdd(load(h + i, part), load(m + i, Whole()), load(residual + i, part));
        total = hn::Add(total, sum);
        store(sum, s + i, Whole());
      });
    } else {
      for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
        const auto sum = hn::Add(load(h + i, part), load(residual + i, part));
        total = hn::Add(total, sum);
        store(sum, s + i, Whole());
      });
    }
    normalize_row(norm, s, total, nullptr, rows.out + row * columns,
                  rows.normalized == nullptr ? nullptr : rows.normalized + row * columns,
                  rows.inverse_std == nullptr ? nullptr : rows.inverse_std + row);
  }
}
void JunctionFloat(const LayerNormParameters& norm, const Junction<float>& rows, size_t begin, size_t end) {
  junction_rows(norm, rows, begin, end);
}
void JunctionBf16(const LayerNormParameters& norm, const Junction<Bf16>& rows, size_t begin, size_t end) {
  junction_rows(norm, rows, begin, end);
}

template <class T>
HWY_INLINE void embedding_rows(const LayerNormParameters& norm, const EmbeddingSum<T>& rows, size_t begin, size_t end) {
  const F32 d;
  const size_t columns = norm.columns;
  const auto sums = row_buffer(columns), multipliers = row_buffer(columns);
  float* const s = sums.get();
  for (size_t row = begin; row < end; ++row) {
    const T* const word = rows.words + row * columns;
    const T* const type = rows.type_table + rows.types[row] * columns;
    const T* const position = rows.position_table + rows.positions[row] * columns;
    auto total = hn::Zero(d);
    for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
      const auto sum = hn::Add(hn::Add(load(word + i, part), load(type + i, part)), load(position + i, part));
      total = hn::Add(total, sum);
      store(sum, s + i, Whole());
    });
    if (rows.mask.on()) fill_mask(rows.mask, row, 0, columns, multipliers.get());
    normalize_row(norm, s, total, rows.mask.on() ? multipliers.get() : nullptr, rows.out + row * columns,
                  rows.normalized == nullptr ? nullptr : rows.normalized + row * columns,
                  rows.inverse_std == nullptr ? nullptr : rows.inverse_std + row);
  }
}
void EmbeddingSumFloat(const LayerNormParameters& norm, const EmbeddingSum<float>& rows, size_t begin, size_t end) {
  embedding_rows(norm, rows, begin, end);
}
void EmbeddingSumBf16(const LayerNormParameters& norm, const EmbeddingSum<Bf16>& rows, size_t begin, size_t end) {
  embedding_rows(norm, rows, begin, end);
}

template <class T>
HWY_INLINE void gradient_rows(const LayerNormParameters& norm, const LayerNormGradient<T>& rows, size_t begin,
                              size_t end, float* grad_weight, float* grad_bias) {
  const F32 d;
  const size_t columns = norm.columns;
  const auto scaled = row_buffer(columns), multipliers = row_buffer(columns);
  float* const gw = scaled.get();
  const float* const m = multipliers.get();
  if (grad_weight != nullptr) {
    std::memset(grad_weight, 0, columns * sizeof(float));
    std::memset(grad_bias, 0, columns * sizeof(float));
  }
  for (size_t row = begin; row < end; ++row) {
    const T* const grad_out = rows.grad_out + row * columns;
    const T* const normalized = rows.normalized + row * columns;
    if (rows.mask.on()) fill_mask(rows.mask, row, 0, columns, multipliers.get());
    const bool mask_grad_out = rows.mask_grad_out && rows.mask.on();
    auto sum = hn::Zero(d), sum_x = hn::Zero(d);
    for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
      auto g = load(grad_out + i, part);
      if (mask_grad_out) g = hn::Mul(g, load(m + i, Whole()));
      const auto x = load(normalized + i, part);
      if (grad_weight != nullptr) {
        store(hn::MulAdd(g, x, load(grad_weight + i, part)), grad_weight + i, part);
        store(hn::Add(g, load(grad_bias + i, part)), grad_bias + i, part);
      }
      const auto weighted = hn::Mul(g, load(norm.weight + i, part));
      store(weighted, gw + i, Whole());
      sum = hn::Add(sum, weighted);
      sum_x = hn::MulAdd(weighted, x, sum_x);
    });
    if (rows.grad_sum == nullptr && rows.grad_masked == nullptr) continue;

    const float count = static_cast<float>(columns);
    const auto mean = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sum)) / count);
    const auto mean_x = hn::Set(d, hn::GetLane(hn::SumOfLanes(d, sum_x)) / count);
    const auto rstd = hn::Set(d, rows.inverse_std[row]);
    T* const grad_sum = rows.grad_sum == nullptr ? nullptr : rows.grad_sum + row * columns;
    T* const grad_masked = rows.grad_masked == nullptr ? nullptr : rows.grad_masked + row * columns;
    for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
      const auto x = load(normalized + i, part);
      const auto centred = hn::NegMulAdd(x, mean_x, hn::Sub(load(gw + i, Whole()), mean));
      const auto grad = hn::Mul(centred, rstd);
      if (grad_sum != nullptr) store(grad, grad_sum + i, part);
      if (grad_masked != nullptr) store(hn::Mul(grad, load(m + i, Whole())), grad_masked + i, part);
    });
  }
}
void GradientFloat(const LayerNormParameters& norm, const LayerNormGradient<float>& rows, size_t begin, size_t end,
                   float* grad_weight, float* grad_bias) {
  gradient_rows(norm, rows, begin, end, grad_weight, grad_bias);
}
void GradientBf16(const LayerNormParameters& norm, const LayerNormGradient<Bf16>& rows, size_t begin, size_t end,
                  float* grad_weight, float* grad_bias) {
  gradient_rows(norm, rows, begin, end, grad_weight, grad_bias);
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plugtune::kernels::cpu {
HWY_EXPORT(JunctionFloat);
HWY_EXPORT(JunctionBf16);
HWY_EXPORT(EmbeddingSumFloat);
HWY_EXPORT(EmbeddingSumBf16);
HWY_EXPORT(GradientFloat);
HWY_EXPORT(GradientBf16);

void junction(const LayerNormParameters& norm, const Junction<float>& rows, size_t begin, size_t end) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(JunctionFloat)(norm, rows, begin, end);
}
void junction(const LayerNormParameters& norm, const Junction<Bf16>& rows, size_t begin, size_t end) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(JunctionBf16)(norm, rows, begin, end);
}
void embedding_sum(const LayerNormParameters& norm, const EmbeddingSum<float>& rows, size_t begin, size_t end) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(EmbeddingSumFloat)(norm, rows, begin, end);
}
void embedding_sum(const LayerNormParameters& norm, const EmbeddingSum<Bf16>& rows, size_t begin, size_t end) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(EmbeddingSumBf16)(norm, rows, begin, end);
}
void layer_norm_gradient(const LayerNormParameters& norm, const LayerNormGradient<float>& rows, size_t begin,
                         size_t end, float* grad_weight, float* grad_bias) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(GradientFloat)(norm, rows, begin, end, grad_weight, grad_bias);
}
void layer_norm_gradient(const LayerNormParameters& norm, const LayerNormGradient<Bf16>& rows, size_t begin, size_t end,
                         float* grad_weight, float* grad_bias) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(GradientBf16)(norm, rows, begin, end, grad_weight, grad_bias);
}

}  // namespace plugtune::kernels::cpu
#endif
