#pragma once
// simd.h - which of a processor's vector instructions the kernels use.

#include <string>

namespace plugtune::kernels {

/// "avx512", "avx2" or "scalar": the best that this processor has, or what PLUGTUNE_SIMD forces. "none", which must be forced:
/// spans and optimizer are ATen's operations, with the same dropout masks (composed.h). Asked for by any kernel at its first call. Throws Error if PLUGTUNE_SIMD names an instruction set that this processor lacks; call it at start-up
/// to tell the user early.
const std::string& instruction_set();

}  // namespace plugtune::kernels
