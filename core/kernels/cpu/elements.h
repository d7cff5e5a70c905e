#pragma once
// elements.h - what kernels read and write: float or bfloat16 elements, and masks made from a seed.

#include <cstddef>
#include <cstdint>

namespace plugtune::kernels::cpu {

/// A bfloat16 as it lies in memory: the upper half of a float. Kernels widen it when they load it.
struct Bf16 {
  uint16_t bits;
};

/// A dropout's mask. An element is dropped when its 16 random bits are below `threshold`, else multiplied by `scale`.
struct Mask {
  uint64_t seed = 0;
  uint32_t threshold = 0;  ///< p * 65,536, rounded
  float scale = 1;         ///< 65,536 / (65,536 - threshold): the expectation is exact although p is rounded

  bool on() const { return threshold != 0; }
};

/// Streams are filled in groups: `first` elements of a stream are skipped in multiples of kMaskGroup only.
inline constexpr size_t kMaskGroup = 128;
/// Writing a mask rounds the end up to this many elements; leave room for them.
inline constexpr size_t kMaskPadding = 16;

constexpr size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Multipliers (0 or scale) of elements [0, columns) of the streams [begin, end): row r is stream first_stream + r,
/// written to out + r * columns.
void fill_multipliers(const Mask& mask, uint64_t first_stream, size_t begin, size_t end, size_t columns, float* out);

/// out = x times the multipliers of the same streams, rows [begin, end) of `columns` elements.
void apply_mask(const Mask& mask, const float* x, float* out, size_t begin, size_t end, size_t columns);
void apply_mask(const Mask& mask, const Bf16* x, Bf16* out, size_t begin, size_t end, size_t columns);

}  // namespace plugtune::kernels::cpu
