// safetensors_damage_test.cc - every way in which a safetensors file can be wrong, and what is said.
#include <cstring>

#include "formats/safetensors.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

std::string with_length(uint64_t length, const std::string& rest) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + rest;
}

/// A file of this header and `data_bytes` bytes of data.
std::string file_of(const std::string& header, size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, '\0'));
}

/// One tensor 'a' with these fields.
std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
}

struct Damage {
  std::string bytes, message;
};

void expect_refused(const std::vector<Damage>& cases) {
  const Scratch scratch;
  for (const Damage& damage : cases) {
    const auto path = scratch.file("x", damage.bytes);
    EXPECT_EQ(error_of(scratch, [&] { SafetensorsFile::open(path); }), "SCRATCH/x" + damage.message);
  }
}

TEST(DamagedSafetensors, Frame) {
  expect_refused({
      {"", ": has 0 bytes, a safetensors file begins with 8; it is cut off, copy it again"},
      {"1234567", ": has 7 bytes, a safetensors file begins with 8; it is cut off, copy it again"},
      {"PK\x03\x04 a zip archive",
       ": is not a safetensors file: its header would have 8,800,140,462,016,121,680 bytes, at most 100,000,000 are "
       "allowed"},
      {with_length(100'000'001, "{"),
       ": is not a safetensors file: its header would have 100,000,001 bytes, at most 100,000,000 are allowed"},
      {with_length(UINT64_MAX, "{}"),
       ": is not a safetensors file: its header would have 18,446,744,073,709,551,615 bytes, at most 100,000,000 are "
       "allowed"},
      {with_length(20, "{}"), ": its header ends at byte 28 but the file has 10; it is cut off, copy it again"},
      {with_length(4, " {} "), ": is not a safetensors file: its header does not begin with '{'"},
      {with_length(0, ""), ": is not a safetensors file: its header does not begin with '{'"},
      {file_of("{}", 3), ": has 3 bytes after its last tensor; it is damaged, copy it again"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
       ": is a Git LFS pointer, not the file itself; run 'git lfs pull' where it was cloned"},
  });
}

TEST(DamagedSafetensors, Header) {
  const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  expect_refused({
      {file_of("{" + a, 4),
       " (header): is not JSON: object - unexpected end of input; expected '}' (line 1, column 54)"},
      {file_of("{" + a + "} x", 4),
       " (header): is not JSON: value - invalid literal; expected end of input (line 1, column 56)"},
      {file_of("{" + a + "," + a + "}", 4), " (header): has the key 'a' twice"},
      {file_of(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
       " (header): has the key 'dtype' twice"},
      {file_of(R"({"a":[[[[[1]]]]]})", 0), " (header): is nested deeper than 4 levels"},
      {file_of("{\"\xff\":1}", 0),
       " (header): is not JSON: object key - invalid string: ill-formed UTF-8 byte; expected string literal (line 1, "
       "column 3)"},
      {file_of(R"({"__metadata__":[]})", 0), ": __metadata__ must be an object of strings, got []"},
      {file_of(R"({"__metadata__":{"step":1}})", 0), ": __metadata__ 'step' must be a string, got 1"},
      {file_of(R"({"a":1})", 0), ": tensor 'a' must have dtype, shape and data_offsets, got 1"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1]}})", 0),
       ": tensor 'a' must have dtype, shape and data_offsets, got {\"dtype\":\"F32\",\"shape\":[1]}"},
      {file_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"sparse":true}})", 4),
       ": tensor 'a' must have dtype, shape and data_offsets, got "
       "{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[1],\"sparse\":true}"},
  });
}

TEST(DamagedSafetensors, OneTensor) {
  expect_refused({
      {file_of(entry("F8_E4M3", "[4]", "[0,4]"), 4),
       ": tensor 'a' has dtype \"F8_E4M3\"; readable are U64, I64, F64, F32, U32, I32, BF16, F16, U16, I16, I8, U8, "
       "BOOL"},
      {file_of(R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}})", 4),
       ": tensor 'a' has dtype 7; readable are U64, I64, F64, F32, U32, I32, BF16, F16, U16, I16, I8, U8, BOOL"},
      {file_of(entry("F32", "[1]", "[4,0]"), 4), ": tensor 'a' must have data_offsets [begin, end], got [4,0]"},
      {file_of(entry("F32", "[1]", "[0,4,8]"), 4), ": tensor 'a' must have data_offsets [begin, end], got [0,4,8]"},
      {file_of(entry("F32", "[1]", "[-4,0]"), 4), ": tensor 'a' must have data_offsets [begin, end], got [-4,0]"},
      {file_of(entry("F32", "[1]", "[0.0,4.0]"), 4), ": tensor 'a' must have data_offsets [begin, end], got [0.0,4.0]"},
      {file_of(entry("F32", "1", "[0,4]"), 4), ": tensor 'a' must have a list of sizes as shape, got 1"},
      {file_of(entry("F32", "[-1]", "[0,4]"), 4), ": tensor 'a' must have whole sizes, got shape [-1]"},
      {file_of(entry("F32", "[1.0]", "[0,4]"), 4), ": tensor 'a' must have whole sizes, got shape [1.0]"},
      {file_of(entry("F32", "[2,3]", "[0,20]"), 20),
       ": tensor 'a' of shape (2, 3) needs 24 bytes, but its data has 20"},
      {file_of(entry("F32", "[4294967296,4294967296]", "[0,0]"), 0),
       ": tensor 'a' has shape [4294967296,4294967296], which no memory holds"},
      {file_of(entry("I8", "[0,4611686018427387904,4]", "[0,0]"), 0),
       ": tensor 'a' has shape [0,4611686018427387904,4], which no memory holds"},
      {file_of(entry("F32", "[9223372036854775807,0]", "[0,0]"), 0),
       ": tensor 'a' has shape [9223372036854775807,0], which no memory holds"},
      {file_of(entry("U8", "[18446744073709551615]", "[0,4]"), 4),
       ": tensor 'a' has shape [18446744073709551615], which no memory holds"},
  });
}

TEST(DamagedSafetensors, Coverage) {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  expect_refused({
      {file_of(two("[0,4]", "[6,10]"), 10),
       ": tensor 'b' begins at byte 6 of the data, expected 4: tensors must not overlap or leave holes"},
      {file_of(two("[0,4]", "[2,6]"), 6),
       ": tensor 'b' begins at byte 2 of the data, expected 4: tensors must not overlap or leave holes"},
      {file_of(two("[0,4]", "[0,4]"), 4),
       ": tensor 'b' begins at byte 0 of the data, expected 4: tensors must not overlap or leave holes"},
      {file_of(two("[4,8]", "[8,12]"), 12),
       ": tensor 'a' begins at byte 4 of the data, expected 0: tensors must not overlap or leave holes"},
      {file_of(two("[0,4]", "[4,8]"), 9), ": has 1 bytes after its last tensor; it is damaged, copy it again"},
      {file_of(two("[4,8]", "[0,4]"), 7),
       ": tensor 'a' ends at byte 121 but the file has 120; it is cut off, copy it again"},
      {file_of(entry("U8", "[1000000]", "[0,1000000]"), 10),
       ": tensor 'a' ends at byte 1,000,073 but the file has 83; it is cut off, copy it again"},
  });
}

TEST(DamagedSafetensors, EveryCutOfARealFileIsRefused) {
  const std::string whole = bytes_of(golden("all_types.safetensors"));
  const Scratch scratch;
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto path = scratch.file("x", whole.substr(0, length));
    EXPECT_NE(error_of(scratch, [&] { SafetensorsFile::open(path); }).find("it is cut off, copy it again"),
              std::string::npos)
        << length;
  }
}

}  // namespace
}  // namespace plugtune::formats
