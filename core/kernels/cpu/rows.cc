// rows.cc - bias, rounding and sums of columns in vectors. Callers share rows among threads.
#include "kernels/cpu/rows.h"

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rows.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

void RoundRows(const float* x, const float* bias, Bf16* out, size_t out_stride, size_t begin, size_t end,
               size_t columns) {
  for (size_t row = begin; row < end; ++row) {
    const float* const from = x + row * columns;
    Bf16* const to = out + row * out_stride;
    for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
      auto value = load(from + i, part);
      if (bias != nullptr) value = hn::Add(value, load(bias + i, part));
      store(value, to + i, part);
    });
  }
}

template <class T>
HWY_INLINE void sum_of_rows(const T* rows, size_t stride, size_t begin, size_t end, size_t columns, float* sums) {
  for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
    auto sum = hn::Zero(F32());
    for (size_t row = begin; row < end; ++row)
      sum = hn::Add(sum, load(rows + row * stride + i, part));
    store(sum, sums + i, part);
  });
}
void SumColumnsFloat(const float* rows, size_t stride, size_t begin, size_t end, size_t columns, float* sums) {
  sum_of_rows(rows, stride, begin, end, columns, sums);
}
void SumColumnsBf16(const Bf16* rows, size_t stride, size_t begin, size_t end, size_t columns, float* sums) {
  sum_of_rows(rows, stride, begin, end, columns, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plugtune::kernels::cpu {
HWY_EXPORT(RoundRows);
HWY_EXPORT(SumColumnsFloat);
HWY_EXPORT(SumColumnsBf16);

void round_rows(const float* x, const float* bias, Bf16* out, size_t out_stride, size_t begin, size_t end,
                size_t columns) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(RoundRows)(x, bias, out, out_stride, begin, end, columns);
}
void sum_columns(const float* rows, size_t stride, size_t begin, size_t end, size_t columns, float* sums) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(SumColumnsFloat)(rows, stride, begin, end, columns, sums);
}
void sum_columns(const Bf16* rows, size_t stride, size_t begin, size_t end, size_t columns, float* sums) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(SumColumnsBf16)(rows, stride, begin, end, columns, sums);
}

}  // namespace plugtune::kernels::cpu
#endif
