// masks.cc - dropout masks by themselves and applied to rows.
#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/masks.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

void FillMultipliers(const Mask& mask, uint64_t first_stream, size_t begin, size_t end, size_t columns, float* out) {
  const auto multipliers = row_buffer(columns);
  for (size_t row = begin; row < end; ++row) {
    fill_mask(mask, first_stream + row, 0, columns, multipliers.get());
    std::memcpy(out + row * columns, multipliers.get(), columns * sizeof(float));
  }
}

template <class T>
HWY_INLINE void apply_to_rows(const Mask& mask, const T* x, T* out, size_t begin, size_t end, size_t columns) {
  const auto multipliers = row_buffer(columns);
  const float* const m = multipliers.get();
  for (size_t row = begin; row < end; ++row) {
    fill_mask(mask, row, 0, columns, multipliers.get());
    const T* const from = x + row * columns;
    T* const to = out + row * columns;
    for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
      store(hn::Mul(load(from + i, part), load(m + i, Whole())), to + i, part);
    });
  }
}
void ApplyMaskFloat(const Mask& mask, const float* x, float* out, size_t begin, size_t end, size_t columns) {
  apply_to_rows(mask, x, out, begin, end, columns);
}
void ApplyMaskBf16(const Mask& mask, const Bf16* x, Bf16* out, size_t begin, size_t end, size_t columns) {
  apply_to_rows(mask, x, out, begin, end, columns);
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plugtune::kernels::cpu {
HWY_EXPORT(FillMultipliers);
HWY_EXPORT(ApplyMaskFloat);
HWY_EXPORT(ApplyMaskBf16);

void fill_multipliers(const Mask& mask, uint64_t first_stream, size_t begin, size_t end, size_t columns, float* out) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(FillMultipliers)(mask, first_stream, begin, end, columns, out);
}
void apply_mask(const Mask& mask, const float* x, float* out, size_t begin, size_t end, size_t columns) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(ApplyMaskFloat)(mask, x, out, begin, end, columns);
}
void apply_mask(const Mask& mask, const Bf16* x, Bf16* out, size_t begin, size_t end, size_t columns) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(ApplyMaskBf16)(mask, x, out, begin, end, columns);
}

}  // namespace plugtune::kernels::cpu
#endif
