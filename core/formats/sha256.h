#pragma once
// sha256.h - SHA-256 (FIPS 180-4), with the processor's instructions where it has them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace plugtune::formats {

class Sha256 {
 public:
  using Digest = std::array<uint8_t, 32>;

  void update(const void* data, size_t bytes);
  void update(std::string_view text) { update(text.data(), text.size()); }
  /// Ends the message; the object is of no use afterwards.
  Digest finish();

  static Digest of(const void* data, size_t bytes);

 private:
  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> pending_{};  // the first pending_bytes_ of a block that is not full yet
  size_t pending_bytes_ = 0;
  uint64_t total_bytes_ = 0;
};

/// 64 lower-case hexadecimal digits.
std::string hex(const Sha256::Digest& digest);

namespace detail {
/// Both compress whole 64-byte blocks; tests compare them. The second must be called only where has_sha_instructions().
void sha256_blocks_portable(uint32_t state[8], const uint8_t* data, size_t blocks);
void sha256_blocks_instructions(uint32_t state[8], const uint8_t* data, size_t blocks);
bool has_sha_instructions();
}  // namespace detail

}  // namespace plugtune::formats
