#pragma once
// temporary_directory.h - a directory that is gone when its owner is.

#include <string>

namespace plugtune::formats {

/// A directory of its own under the system's temporary one, removed with everything in it.
class TemporaryDirectory {
 public:
  /// @param purpose  a word of its name. Throws Error when it cannot be made.
  explicit TemporaryDirectory(const std::string& purpose);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace plugtune::formats
