#pragma once
// random_parts.h - which examples of one file are kept for validation and test.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

/// The part of each of `size` examples: i + 1 for round(shares[i] * size) of them chosen at random, 0 for all others.
///
/// A pure function of its arguments on every machine. With one share, a greater one keeps what a smaller one had chosen.
/// @param shares  each >= 0, all together at most 1
PLUGTUNE_API std::vector<uint8_t> random_parts(size_t size, const std::vector<double>& shares, int64_t seed);

}  // namespace v1
}  // namespace plugtune
