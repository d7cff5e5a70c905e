#pragma once
// code_point_map.h - a number for every code point, in two look-ups.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace plugtune::text {

/// A 32-bit value for each of the 1,114,112 code points.
///
/// Two-stage table: blocks of 64 values, shared while they are equal to the block they were copied from. A table in which
/// a few thousand characters differ from the rest takes some hundred kilobytes, of which a text touches a few.
class CodePointMap {
 public:
  explicit CodePointMap(uint32_t everywhere);

  uint32_t operator[](char32_t c) const { return values_[size_t{blocks_[c >> kShift]} << kShift | (c & kMask)]; }
  void set(char32_t c, uint32_t value);
  /// first..last, both included; whole blocks inside share one.
  void fill(char32_t first, char32_t last, uint32_t value);

 private:
  static constexpr unsigned kShift = 6;
  static constexpr char32_t kMask = (1u << kShift) - 1;
  uint16_t append_block(uint32_t value);

  std::vector<uint16_t> blocks_;  ///< of each 64 code points, the block that holds their values
  std::vector<bool> is_shared_;   ///< of each block, whether more than one may point to it
  std::vector<uint32_t> values_;
};

}  // namespace plugtune::text
