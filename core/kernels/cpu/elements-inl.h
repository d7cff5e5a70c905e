// elements-inl.h - loops over rows of float or bfloat16 elements in whole vectors and a rest. Per instruction set.
#if defined(PLUGTUNE_KERNELS_ELEMENTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PLUGTUNE_KERNELS_ELEMENTS_INL_H_
#undef PLUGTUNE_KERNELS_ELEMENTS_INL_H_
#else
#define PLUGTUNE_KERNELS_ELEMENTS_INL_H_
#endif

#include <hwy/aligned_allocator.h>
#include <hwy/highway.h>

#include <cstring>

#include "kernels/cpu/elements.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// At most 16 lanes, so that kMaskPadding covers a vector of every target.
using F32 = hn::CappedTag<float, kMaskPadding>;
using Vector = hn::Vec<F32>;
using U32 = hn::RebindToUnsigned<F32>;
using U16 = hn::Rebind<uint16_t, F32>;

/// How much of a vector a step of a loop is about.
struct Whole {};
struct Part {
  size_t count;
};

/// body(i, Whole) for every whole vector of n elements, then body(i, Part) for the rest.
template <class Body>
HWY_INLINE void for_each_vector(size_t n, const Body& body) {
  const size_t lanes = hn::Lanes(F32());
  size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    body(i, Whole());
  if (i < n) body(i, Part{n - i});
}

HWY_INLINE Vector load(const float* p, Whole) { return hn::LoadU(F32(), p); }
HWY_INLINE void store(Vector v, float* p, Whole) { hn::StoreU(v, F32(), p); }

HWY_INLINE Vector load(const Bf16* p, Whole) {
  const auto bits = hn::PromoteTo(U32(), hn::LoadU(U16(), reinterpret_cast<const uint16_t*>(p)));
  return hn::BitCast(F32(), hn::ShiftLeft<16>(bits));
}

/// Rounds to nearest, ties to even, as torch does; a NaN stays one.
HWY_INLINE void store(Vector v, Bf16* p, Whole) {
  const U32 d;
  const hn::RebindToSigned<F32> di;
  const auto bits = hn::BitCast(d, v);
  const auto lowest = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(lowest, hn::Set(d, 0x7fff))));
  const auto upper = hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(v)), hn::Set(d, 0x7fc0), rounded);
  hn::StoreU(hn::DemoteTo(U16(), hn::BitCast(di, upper)), U16(), reinterpret_cast<uint16_t*>(p));
}

/// Lanes past the rest are 0, and memory past it is not touched.
template <class T>
HWY_INLINE Vector load(const T* p, Part part) {
  T lanes[kMaskPadding] = {};
  std::memcpy(lanes, p, part.count * sizeof(T));
  return load(lanes, Whole());
}
template <class T>
HWY_INLINE void store(Vector v, T* p, Part part) {
  T lanes[kMaskPadding];
  store(v, lanes, Whole());
  std::memcpy(p, lanes, part.count * sizeof(T));
}

/// Lanes past the rest become `otherwise`.
HWY_INLINE Vector keep(Vector v, Whole, float) { return v; }
HWY_INLINE Vector keep(Vector v, Part part, float otherwise) {
  return hn::IfThenElse(hn::FirstN(F32(), part.count), v, hn::Set(F32(), otherwise));
}

/// Memory of one row, aligned, with room for whole vectors and masks.
HWY_INLINE hwy::AlignedFreeUniquePtr<float[]> row_buffer(size_t columns) {
  return hwy::AllocateAligned<float>(round_up(columns, kMaskPadding));
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();
#endif
