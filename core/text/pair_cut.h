#pragma once
// pair_cut.h - what is left of two texts that are too long together.

#include <algorithm>
#include <cstdint>

namespace plugtune::text {

/// Tokens of the first and of the second text.
struct PairLengths {
  int64_t a, b;
};

/// At most `room` together. Longest first, as transformers cuts: the shorter text (the first when equal) keeps up to half the places,
/// the other what is left.
inline PairLengths cut_pair(PairLengths whole, int64_t room) {
  if (whole.a + whole.b <= room) return whole;
  const int64_t shorter = std::min({whole.a, whole.b, room / 2});
  return whole.a <= whole.b ? PairLengths{shorter, room - shorter} : PairLengths{room - shorter, shorter};
}

}  // namespace plugtune::text
