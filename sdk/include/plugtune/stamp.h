#pragma once
// stamp.h - a line of text inside every plugin that says what it was built with, readable before dlopen.
//
// `PLUGTUNE-ABI-STAMP:1;sdk=1.0;sdk_hash=..;torch=..;cxx11_abi=1;compiler=gcc12;gxx_abi=..;debug=0;sanitizer=none;sizeof.Module=..;`
// The host looks for the magic in the file, so it never runs code of a plugin that does not fit (docs/abi.md).

#include <torch/nn/module.h>
#include <torch/version.h>

#include <array>
#include <cstddef>

#include "plugtune/sdk_hash.h"
#include "plugtune/version.h"

#define PLUGTUNE_TEXT_(x) #x
#define PLUGTUNE_TEXT(x) PLUGTUNE_TEXT_(x)

// The magic in two halves: only a plugin joins them, so that neither the host nor libplugtune carries a stamp.
#define PLUGTUNE_STAMP_MAGIC_A "PLUGTUNE-ABI-"
#define PLUGTUNE_STAMP_MAGIC_B "STAMP:"
#define PLUGTUNE_STAMP_FORMAT 1

#if defined(__clang__)
#define PLUGTUNE_STAMP_COMPILER "clang" PLUGTUNE_TEXT(__clang_major__)
#else
#define PLUGTUNE_STAMP_COMPILER "gcc" PLUGTUNE_TEXT(__GNUC__)
#endif
#if defined(__has_feature)  // clang defines no __SANITIZE_*
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PLUGTUNE_STAMP_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define PLUGTUNE_STAMP_SANITIZER "thread"
#else
#define PLUGTUNE_STAMP_SANITIZER "none"
#endif
#if defined(_GLIBCXX_DEBUG)
#define PLUGTUNE_STAMP_DEBUG "1"
#else
#define PLUGTUNE_STAMP_DEBUG "0"
#endif
#ifndef PLUGTUNE_STAMP_TORCH  // a test's plugin may claim another version
#define PLUGTUNE_STAMP_TORCH \
  PLUGTUNE_TEXT(TORCH_VERSION_MAJOR) "." PLUGTUNE_TEXT(TORCH_VERSION_MINOR) "." PLUGTUNE_TEXT(TORCH_VERSION_PATCH)
#endif

/// Everything of the stamp but its magic, format and sizes.
#define PLUGTUNE_STAMP_FIELDS                                                                                       \
  ";sdk=" PLUGTUNE_TEXT(PLUGTUNE_SDK_MAJOR) "." PLUGTUNE_TEXT(                                                      \
      PLUGTUNE_SDK_MINOR) ";sdk_hash=" PLUGTUNE_SDK_HASH ";torch=" PLUGTUNE_STAMP_TORCH                             \
                          ";cxx11_abi=" PLUGTUNE_TEXT(                                                              \
                              _GLIBCXX_USE_CXX11_ABI) ";compiler=" PLUGTUNE_STAMP_COMPILER                          \
                                                      ";gxx_abi=" PLUGTUNE_TEXT(                                    \
                                                          __GXX_ABI_VERSION) ";debug=" PLUGTUNE_STAMP_DEBUG         \
                                                                             ";sanitizer=" PLUGTUNE_STAMP_SANITIZER \
                                                                             ";sizeof.Module="

namespace plugtune {
inline namespace v1 {

/// `prefix` + the digits of `number` + ";", as characters of a constant.
template <size_t N>
constexpr std::array<char, N + 24> stamp_text(const char (&prefix)[N], size_t number) {
  std::array<char, N + 24> text{};
  size_t at = 0;
  for (; prefix[at] != '\0'; ++at)
    text[at] = prefix[at];
  char digits[20] = {};
  size_t count = 0;
  do
    digits[count++] = static_cast<char>('0' + number % 10);
  while ((number /= 10) != 0);
  while (count > 0)
    text[at++] = digits[--count];
  text[at] = ';';
  return text;
}

}  // namespace v1
}  // namespace plugtune

/// Puts the stamp into a plugin; part of PLUGTUNE_PLUGIN.
#define PLUGTUNE_STAMP                                                                                          \
  extern "C" __attribute__((visibility("default"), used)) constinit const auto plugtune_abi_stamp =             \
      ::plugtune::stamp_text(PLUGTUNE_STAMP_MAGIC_A PLUGTUNE_STAMP_MAGIC_B PLUGTUNE_TEXT(PLUGTUNE_STAMP_FORMAT) \
                                 PLUGTUNE_STAMP_FIELDS,                                                         \
                             sizeof(::torch::nn::Module));
