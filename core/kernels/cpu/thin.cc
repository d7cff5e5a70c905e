// thin.cc - small matrices times vectors. Callers share the batch among threads.
#include "kernels/cpu/thin.h"

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/thin.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

HWY_INLINE Vector everywhere(const float* p) { return hn::Set(F32(), *p); }
HWY_INLINE Vector everywhere(const Bf16* p) {
  return hn::BitCast(F32(), hn::Set(U32(), static_cast<uint32_t>(p->bits) << 16));
}

template <class T>
HWY_INLINE void put(float value, T* out) {
  store(hn::Set(F32(), value), out, Part{1});
}

/// The dot products of Count rows with x: x is loaded once for all of them.
template <size_t Count, class T>
HWY_INLINE void dots(const T* rows, size_t stride, const T* x, size_t columns, T* out) {
  Vector sums[Count];
  for (Vector& sum : sums)
    sum = hn::Zero(F32());
  for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
    const Vector factor = load(x + i, part);
    for (size_t row = 0; row < Count; ++row)
      sums[row] = hn::MulAdd(load(rows + row * stride + i, part), factor, sums[row]);
  });
  for (size_t row = 0; row < Count; ++row)
    put(hn::GetLane(hn::SumOfLanes(F32(), sums[row])), out + row);
}

template <class T>
HWY_INLINE void times_vector(const Matrices<T>& matrices, const Vectors<T>& x, const ThinShape& shape, T* out) {
  constexpr size_t kAtOnce = 4;
  for (size_t item = shape.begin; item < shape.end; ++item) {
    const T* const matrix = matrices.data + item * matrices.matrix_stride;
    const T* const vector = x.data + item * x.vector_stride;
    T* const to = out + item * shape.rows;
    size_t row = 0;
    for (; row + kAtOnce <= shape.rows; row += kAtOnce)
      dots<kAtOnce>(matrix + row * matrices.row_stride, matrices.row_stride, vector, shape.columns, to + row);
    for (; row < shape.rows; ++row)
      dots<1>(matrix + row * matrices.row_stride, matrices.row_stride, vector, shape.columns, to + row);
  }
}

template <class T>
HWY_INLINE void weighted(const Matrices<T>& matrices, const Vectors<T>& weights, const ThinShape& shape, T* out) {
  for (size_t item = shape.begin; item < shape.end; ++item) {
    const T* const matrix = matrices.data + item * matrices.matrix_stride;
    const T* const weight = weights.data + item * weights.vector_stride;
    for_each_vector(shape.columns, [&](size_t i, auto part) HWY_ATTR {
      Vector sum = hn::Zero(F32());
      for (size_t row = 0; row < shape.rows; ++row)
        sum = hn::MulAdd(everywhere(weight + row * weights.element_stride),
                         load(matrix + row * matrices.row_stride + i, part), sum);
      store(sum, out + item * shape.columns + i, part);
    });
  }
}

template <class T>
HWY_INLINE void outer(const Vectors<T>& weights, const Vectors<T>& x, const ThinShape& shape, T* out) {
  for (size_t item = shape.begin; item < shape.end; ++item) {
    const T* const vector = x.data + item * x.vector_stride;
    for (size_t row = 0; row < shape.rows; ++row) {
      const Vector weight = everywhere(weights.data + item * weights.vector_stride + row * weights.element_stride);
      T* const to = out + (item * shape.rows + row) * shape.columns;
      for_each_vector(shape.columns, [&](size_t i, auto part)
                                         HWY_ATTR { store(hn::Mul(weight, load(vector + i, part)), to + i, part); });
    }
  }
}

void TimesVectorFloat(const Matrices<float>& matrices, const Vectors<float>& x, const ThinShape& shape, float* out) {
  times_vector(matrices, x, shape, out);
}
void TimesVectorBf16(const Matrices<Bf16>& matrices, const Vectors<Bf16>& x, const ThinShape& shape, Bf16* out) {
  times_vector(matrices, x, shape, out);
}
void WeightedFloat(const Matrices<float>& matrices, const Vectors<float>& w, const ThinShape& shape, float* out) {
  weighted(matrices, w, shape, out);
}
void WeightedBf16(const Matrices<Bf16>& matrices, const Vectors<Bf16>& w, const ThinShape& shape, Bf16* out) {
  weighted(matrices, w, shape, out);
}
void OuterFloat(const Vectors<float>& weights, const Vectors<float>& x, const ThinShape& shape, float* out) {
  outer(weights, x, shape, out);
}
void OuterBf16(const Vectors<Bf16>& weights, const Vectors<Bf16>& x, const ThinShape& shape, Bf16* out) {
  outer(weights, x, shape, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plugtune::kernels::cpu {
HWY_EXPORT(TimesVectorFloat);
HWY_EXPORT(TimesVectorBf16);
HWY_EXPORT(WeightedFloat);
HWY_EXPORT(WeightedBf16);
HWY_EXPORT(OuterFloat);
HWY_EXPORT(OuterBf16);

template <>
void matrix_times_vector(const Matrices<float>& matrices, const Vectors<float>& x, const ThinShape& shape, float* out) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(TimesVectorFloat)(matrices, x, shape, out);
}
template <>
void matrix_times_vector(const Matrices<Bf16>& matrices, const Vectors<Bf16>& x, const ThinShape& shape, Bf16* out) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(TimesVectorBf16)(matrices, x, shape, out);
}
template <>
void weighted_rows(const Matrices<float>& matrices, const Vectors<float>& weights, const ThinShape& shape, float* out) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(WeightedFloat)(matrices, weights, shape, out);
}
template <>
void weighted_rows(const Matrices<Bf16>& matrices, const Vectors<Bf16>& weights, const ThinShape& shape, Bf16* out) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(WeightedBf16)(matrices, weights, shape, out);
}
template <>
void outer_product(const Vectors<float>& weights, const Vectors<float>& x, const ThinShape& shape, float* out) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(OuterFloat)(weights, x, shape, out);
}
template <>
void outer_product(const Vectors<Bf16>& weights, const Vectors<Bf16>& x, const ThinShape& shape, Bf16* out) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(OuterBf16)(weights, x, shape, out);
}

}  // namespace plugtune::kernels::cpu
#endif
