#pragma once
// support.h - what the tests of core/formats share: a scratch directory, goldens, whole error texts.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "formats/named_tensors.h"
#include "plugtune/error.h"

namespace plugtune::formats {

/// A directory of its own for one test, removed with everything in it.
class Scratch {
 public:
  Scratch() {
    std::string form = (std::filesystem::temp_directory_path() / "plugtune-formats-XXXXXX").string();
    path_ = ::mkdtemp(form.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

  /// Writes a file, its directories included, and returns its path.
  std::filesystem::path file(const std::string& name, const std::string& bytes) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::filesystem::remove(
        path);  // a file that is cut to nothing and rewritten is flushed to the disk by ext4, slowly
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

 private:
  std::filesystem::path path_;
};

/// While it lives, root is nobody: permissions count for root too. Everyone else stays who they are.
class AsNobody {
 public:
  AsNobody() : before_(::geteuid()) {
    if (before_ == 0) change(65534);
  }
  ~AsNobody() {
    if (before_ == 0) change(before_);
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  static void change(uid_t user) { EXPECT_EQ(::seteuid(user), 0); }
  uid_t before_;
};

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(PLUGTUNE_SOURCE_DIR) / "tests/unit/formats/goldens" / name;
}

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// The text of the Error that `action` throws, the scratch directory's name replaced by "SCRATCH"; "" when it throws none.
template <class Action>
std::string error_of(const Scratch& scratch, Action action) {
  try {
    action();
  } catch (const Error& error) {
    std::string text = error.what();
    const std::string name = scratch.path().string();
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name))
      text.replace(at, name.size(), "SCRATCH");
    return text;
  }
  return "";
}

/// Same type, shape and numbers.
inline bool same(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && a.equal(b);
}

}  // namespace plugtune::formats
