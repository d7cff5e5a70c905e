#pragma once
// tensor_memory.h - memory of large tensors that is used again instead of being asked for anew.

#include <cstdint>

namespace plugtune::kernels {

/// From here on torch's tensors on the CPU, from 64 KiB on, lie in blocks that are kept when a tensor goes and given to the next one
/// that fits. A step frees its tensors and the next one makes them again: between them pages would go back to the system, to be
/// mapped and zeroed anew, or stay in pieces between others where no tensor of another length fits.
///
/// No more than what lived at the most at once is held, a quarter and 32 MiB above. May be called again.
void keep_tensor_memory();

/// Gives back what is kept and counts the most from here on: after work that asked for more than what follows needs.
void forget_tensor_memory();

/// Of the blocks: bytes mapped now, in tensors or kept for the next.
int64_t mapped_tensor_bytes();

}  // namespace plugtune::kernels
