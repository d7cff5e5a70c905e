#pragma once
// draws.h - random numbers of one example in one epoch, the same on every machine.

#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

namespace plugtune::data {

/// A pure function of (seed, epoch, example, purpose): numbers and their order are fixed by the standard.
class Draws {
 public:
  /// @param purpose  what the numbers are for: those of two purposes have nothing to do with each other
  Draws(uint64_t seed, int64_t epoch, int64_t example, std::initializer_list<uint32_t> purpose = {}) {
    const auto low = [](auto value) { return static_cast<uint32_t>(value); };
    const auto high = [](auto value) { return static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32); };
    std::vector<uint32_t> parts{low(seed), high(seed), low(epoch), high(epoch), low(example), high(example)};
    parts.insert(parts.end(), purpose);
    std::seed_seq mixed(parts.begin(), parts.end());
    generator_.seed(mixed);
  }
  /// 0 <= value < 1
  double uniform() { return static_cast<double>(generator_() >> 11) * 0x1p-53; }
  size_t below(size_t count) { return generator_() % count; }

 private:
  std::mt19937_64 generator_;
};

}  // namespace plugtune::data
