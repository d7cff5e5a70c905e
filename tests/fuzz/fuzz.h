#pragma once
// fuzz.h - what the targets share: the input as a file, and the one exception that a reader of foreign bytes may throw.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "plugtune/error.h"

/// One input. libFuzzer calls it, and so does replay_main.cc.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace plugtune::fuzz {

/// A directory of this process in memory (/dev/shm where it can be written to), removed when the process ends.
const std::filesystem::path& folder();

/// Writes `bytes` to folder() / name and returns its path; readers are tried with files because that is what they open.
std::filesystem::path file(const std::string& name, std::string_view bytes);

std::string read(const std::filesystem::path& path);

inline std::string_view text(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

/// Ends the process with `broken`, a promise that the input made untrue.
[[noreturn]] void fail(const std::string& broken);
inline void require(bool holds, const std::string& promise) {
  if (!holds) fail(promise);
}

/// False when `action` throws an Error that a person can read; any other exception goes on and ends the process.
template <class Action>
bool accepted(Action action) {
  try {
    action();
    return true;
  } catch (const Error& error) {
    require(!std::string_view(error.what()).empty(), "an Error says something");
    return false;
  }
}

/// `action` must not throw: what was accepted once is written, read again and used.
template <class Action>
void must_succeed(const std::string& what, Action action) {
  try {
    action();
  } catch (const Error& error) {
    fail(what + ": " + error.what());
  }
}

}  // namespace plugtune::fuzz
