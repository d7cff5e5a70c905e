// product-inl.h - products of small matrices that lie in L1: what attention does for one sentence and head. Per instruction set.
#if defined(PLUGTUNE_KERNELS_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PLUGTUNE_KERNELS_PRODUCT_INL_H_
#undef PLUGTUNE_KERNELS_PRODUCT_INL_H_
#else
#define PLUGTUNE_KERNELS_PRODUCT_INL_H_
#endif

#include <algorithm>

#include "kernels/cpu/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

/// A matrix in scratch memory: rows of `stride` floats, a multiple of kMaskPadding and at least the columns in use.
struct Rows {
  float* data;
  size_t stride;
};

/// The left side of a product, element (i, k) at data[i * row + k * step]: a matrix or its transpose.
struct Left {
  const float* data;
  size_t row, step;
};
HWY_INLINE Left as_is(const Rows& m) { return {m.data, m.stride, 1}; }
HWY_INLINE Left transposed(const Rows& m) { return {m.data, 1, m.stride}; }

// 16 accumulators, two right vectors and a broadcast in 32 registers; 12, 2 and 1 in 16.
constexpr size_t kTileRows = HWY_TARGET <= HWY_AVX3 ? 8 : 6;

/// kRows rows and kVectors vectors of c (+)= left right, accumulated in registers over all of `depth`.
template <size_t kRows, size_t kVectors, bool kAdd>
HWY_INLINE void tile(const Left& left, const float* right, size_t right_stride, size_t depth, float* c,
                     size_t c_stride) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  Vector sums[kRows][kVectors];
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kVectors; ++j) {
      sums[i][j] = kAdd ? hn::LoadU(d, c + i * c_stride + j * lanes) : hn::Zero(d);
    }
  }
  const float* column = left.data;
  const size_t row = left.row, step = left.step;
  for (size_t k = 0; k < depth; ++k, column += step, right += right_stride) {
    Vector b[kVectors];
    for (size_t j = 0; j < kVectors; ++j)
      b[j] = hn::LoadU(d, right + j * lanes);
    for (size_t i = 0; i < kRows; ++i) {
      const auto a = hn::Set(d, column[i * row]);
      for (size_t j = 0; j < kVectors; ++j)
        sums[i][j] = hn::MulAdd(a, b[j], sums[i][j]);
    }
  }
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kVectors; ++j)
      hn::StoreU(sums[i][j], d, c + i * c_stride + j * lanes);
  }
}

template <size_t kRows, bool kAdd>
HWY_INLINE void tile_row(const Left& left, const Rows& right, size_t depth, float* c, size_t c_stride, size_t columns) {
  const size_t lanes = hn::Lanes(F32());
  size_t j = 0;
  for (; j + lanes < columns; j += 2 * lanes) {
    tile<kRows, 2, kAdd>(left, right.data + j, right.stride, depth, c + j, c_stride);
  }
  if (j < columns) tile<kRows, 1, kAdd>(left, right.data + j, right.stride, depth, c + j, c_stride);
}

/// tile_row for a number of rows known at run time, 1 to kRows.
template <size_t kRows, bool kAdd>
HWY_INLINE void tile_rows(size_t rows, const Left& left, const Rows& right, size_t depth, float* c, size_t c_stride,
                          size_t columns) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return tile_rows<kRows - 1, kAdd>(rows, left, right, depth, c, c_stride, columns);
  }
  tile_row<kRows, kAdd>(left, right, depth, c, c_stride, columns);
}

/// c (rows, columns) = left (rows, depth) right (depth, columns), or c += with kAdd. The last vector of a row is computed
/// whole: what stands past `columns` in `right` spoils only what stands past it in c.
template <bool kAdd>
HWY_NOINLINE void product(size_t rows, size_t columns, size_t depth, Left left, Rows right, Rows c) {
  // Tiles of nearly equal height: 25 rows as 7 6 6 6, because a last tile of one row would wait for its own sums.
  const size_t tiles = (rows + kTileRows - 1) / kTileRows;
  for (size_t t = 0, row = 0; t < tiles; ++t) {
    const size_t height = (rows - row) / (tiles - t) + ((rows - row) % (tiles - t) != 0);
    tile_rows<kTileRows, kAdd>(height, {left.data + row * left.row, left.row, left.step}, right, depth,
                               c.data + row * c.stride, c.stride, columns);
    row += height;
  }
}

/// out (columns, rows) = in (rows, columns) transposed, 4 x 4 at a time. `in` is read up to the next multiple of 4 rows and
/// columns; of out's rows, what stands past `rows` is spoilt, and so are up to 3 rows past `columns`.
HWY_INLINE void transpose(const Rows& in, size_t rows, size_t columns, const Rows& out) {
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> dd;
  const auto pair = [&](auto v) HWY_ATTR { return hn::BitCast(dd, v); };
  for (size_t r = 0; r < rows; r += 4) {
    for (size_t c = 0; c < columns; c += 4) {
      const float* const from = in.data + r * in.stride + c;
      const auto r0 = hn::LoadU(d, from), r1 = hn::LoadU(d, from + in.stride);
      const auto r2 = hn::LoadU(d, from + 2 * in.stride), r3 = hn::LoadU(d, from + 3 * in.stride);
      const auto low01 = hn::InterleaveLower(d, r0, r1), high01 = hn::InterleaveUpper(d, r0, r1);
      const auto low23 = hn::InterleaveLower(d, r2, r3), high23 = hn::InterleaveUpper(d, r2, r3);
      float* const to = out.data + c * out.stride + r;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, pair(low01), pair(low23))), d, to);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, pair(low01), pair(low23))), d, to + out.stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, pair(high01), pair(high23))), d, to + 2 * out.stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, pair(high01), pair(high23))), d, to + 3 * out.stride);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();
#endif
