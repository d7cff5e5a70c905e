// random_parts.cc - the examples with the smallest keys are chosen; a key depends on seed and index alone.
#include "plugtune/blocks/random_parts.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace plugtune {
inline namespace v1 {
namespace {

// splitmix64 (Steele, Lea and Flood 2014): the standard library's distributions differ between machines, this does not.
uint64_t mixed(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

std::vector<uint8_t> random_parts(size_t size, const std::vector<double>& shares, int64_t seed) {
  TORCH_INTERNAL_ASSERT(shares.size() < 256 && std::accumulate(shares.begin(), shares.end(), 0.0) <= 1.0 + 1e-9);
  std::vector<std::pair<uint64_t, size_t>> keys(size);
  const uint64_t start = mixed(static_cast<uint64_t>(seed));
  for (size_t i = 0; i < size; ++i)
    keys[i] = {mixed(start ^ i), i};
  std::sort(keys.begin(), keys.end());

  std::vector<uint8_t> parts(size, 0);
  size_t at = 0;
  for (size_t part = 0; part < shares.size(); ++part) {
    const auto wanted = static_cast<size_t>(std::llround(shares[part] * static_cast<double>(size)));
    for (const size_t end = std::min(size, at + wanted); at < end; ++at)
      parts[keys[at].second] = static_cast<uint8_t>(part + 1);
  }
  return parts;
}

}  // namespace v1
}  // namespace plugtune
