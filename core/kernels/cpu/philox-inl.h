// philox-inl.h - counter-based random bits: Philox4x32 with 7 rounds, the fewest that pass BigCrush (Salmon, Moraes, Dror
// and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"). Per instruction set.
#if defined(PLUGTUNE_KERNELS_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PLUGTUNE_KERNELS_PHILOX_INL_H_
#undef PLUGTUNE_KERNELS_PHILOX_INL_H_
#else
#define PLUGTUNE_KERNELS_PHILOX_INL_H_
#endif

#include "kernels/cpu/elements-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

using Bits = hn::Vec<U32>;

/// The upper and lower halves of a * b, lane by lane.
HWY_INLINE void multiply(Bits a, Bits b, Bits& high, Bits& low) {
  const U32 d;
  const hn::Repartition<uint64_t, U32> d64;
  const auto even = hn::MulEven(a, b);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, a))), b);
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
}

/// One block (four words of 32 bits) per lane: the blocks `block`, block + 1, ... of a stream.
HWY_INLINE void random_blocks(uint64_t seed, uint64_t stream, uint64_t block, Bits words[4]) {
  const U32 d;
  // A stream has fewer than 2^32 blocks unless a row has 2^35 elements, so the lanes never carry into the upper word.
  Bits c0 = hn::Iota(d, static_cast<uint32_t>(block)), c1 = hn::Set(d, static_cast<uint32_t>(block >> 32));
  Bits c2 = hn::Set(d, static_cast<uint32_t>(stream)), c3 = hn::Set(d, static_cast<uint32_t>(stream >> 32));
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 7; ++round) {
    Bits high0, low0, high1, low1;
    multiply(c0, hn::Set(d, 0xD2511F53u), high0, low0);
    multiply(c2, hn::Set(d, 0xCD9E8D57u), high1, low1);
    c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(d, k0));
    c1 = low1;
    c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(d, k1));
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/// Multipliers of elements [first, first + n) of a stream; `first` is a multiple of kMaskGroup, and out has room for n
/// rounded up to kMaskPadding.
///
/// A group of 128 elements is 16 blocks of eight 16-bit numbers: element 16 j + l of it is number j of block l. So a
/// vector of any width up to 16 lanes is filled without moving a lane, and the mask is the same for each of them.
HWY_INLINE void fill_mask(const Mask& mask, uint64_t stream, uint64_t first, size_t n, float* HWY_RESTRICT out) {
  const F32 df;
  const U32 d;
  const hn::RebindToSigned<F32> di;  // comparing unsigned numbers costs more
  const auto threshold = hn::Set(di, static_cast<int32_t>(mask.threshold));
  const auto scale = hn::Set(df, mask.scale);
  const size_t lanes = hn::Lanes(d);
  uint64_t block = first / kMaskGroup * 16;
  for (size_t group = 0; group < n; group += kMaskGroup, block += 16) {
    const size_t left = n - group;
    for (size_t l = 0; l < 16; l += lanes) {
      Bits words[4];
      random_blocks(mask.seed, stream, block + l, words);
      for (size_t j = 0; j < 8 && 16 * j < left; ++j) {
        const auto word = words[j / 2];
        const auto number = j % 2 ? hn::ShiftRight<16>(word) : hn::And(word, hn::Set(d, 0xffff));
        const auto dropped = hn::RebindMask(df, hn::Lt(hn::BitCast(di, number), threshold));
        hn::StoreU(hn::IfThenZeroElse(dropped, scale), df, out + group + 16 * j + l);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();
#endif
