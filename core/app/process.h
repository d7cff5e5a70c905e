#pragma once
// process.h - what the operating system knows of this process.

#include <cstdint>

namespace plugtune::app {

/// Seconds since the process began, its dynamic linking included; to 10 ms.
double process_seconds();

/// The most memory that was ever resident.
int64_t peak_memory_bytes();

}  // namespace plugtune::app
