#pragma once
// targets.h - the instruction sets that every kernel is compiled for. Include before any Highway header.

#include <string>

// On x86-64: 128-bit emulation in plain C++ ("scalar"), AVX2, and AVX-512 (F, BW, CD, DQ, VL). Processors between scalar
// and AVX2 are over ten years old, so SSE is left out: each set costs a compilation of every kernel.
#if defined(__x86_64__)
// Highway gives emulation up for GCC before 12.3 (GCC bug 106322: the high half of 16-bit products). No kernel multiplies
// 16-bit numbers, and the tests run all of them this way.
#define HWY_BROKEN_EMU128 0
#define HWY_BASELINE_TARGETS HWY_EMU128
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#endif

namespace plugtune::kernels::cpu {

/// The name of the best instruction set of this processor, or `forced` if that is not null or empty.
/// Throws Error if the processor has no instruction set `forced`.
std::string best_instruction_set(const char* forced);

/// Makes kernels use the best instruction set, or the one that PLUGTUNE_SIMD (scalar, avx2, avx512) forces, and returns
/// its name; "none" where PLUGTUNE_SIMD says so. The first call decides.
const std::string& chosen_instruction_set();

/// True with PLUGTUNE_SIMD=none: spans and AdamW are composed of ATen's operations, as if there were no kernel.
bool kernels_are_off();

}  // namespace plugtune::kernels::cpu
