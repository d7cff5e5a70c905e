// code_point_map.cc - building the two-stage table; blocks are copied when they are first written to.
#include "text/code_point_map.h"

#include <algorithm>

namespace plugtune::text {

CodePointMap::CodePointMap(uint32_t everywhere) : blocks_(0x110000 >> kShift, 0) { append_block(everywhere); }

uint16_t CodePointMap::append_block(uint32_t value) {
  values_.insert(values_.end(), size_t{1} << kShift, value);
  is_shared_.push_back(true);
  return static_cast<uint16_t>(is_shared_.size() - 1);
}

void CodePointMap::set(char32_t c, uint32_t value) {
  uint16_t& block = blocks_[c >> kShift];
  if (is_shared_[block]) {
    const size_t from = size_t{block} << kShift;
    block = append_block(0);
    is_shared_[block] = false;
    std::copy_n(values_.begin() + static_cast<ptrdiff_t>(from), 1 << kShift, values_.end() - (1 << kShift));
  }
  values_[size_t{block} << kShift | (c & kMask)] = value;
}

void CodePointMap::fill(char32_t first, char32_t last, uint32_t value) {
  char32_t c = first;
  while (c <= last && (c & kMask) != 0)
    set(c++, value);
  if (c + kMask <= last) {
    const uint16_t block = append_block(value);
    for (; c + kMask <= last; c += kMask + 1)
      blocks_[c >> kShift] = block;
  }
  while (c <= last)
    set(c++, value);
}

}  // namespace plugtune::text
