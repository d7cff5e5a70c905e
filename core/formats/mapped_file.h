#pragma once
// mapped_file.h - a file's bytes in memory without reading them, and tensors that lie in them.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "formats/named_tensors.h"

namespace plugtune::formats {

/// A whole file, mapped privately: a tensor in it may be written to, the file never changes.
///
/// Cutting the file short while it is mapped ends the process (SIGBUS), as with every mapped file.
class MappedFile {
 public:
  /// Throws Error when there is no such file, it cannot be read, or it is a Git LFS pointer in a file's place.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  uint64_t size() const noexcept { return size_; }
  std::string_view bytes() const noexcept { return {data_, size_}; }

  /// The tensor of `shape` and `strides` (in elements) whose first element is at byte `offset`. No copy, except where the
  /// file keeps it at an address that its type does not allow; keeps `file` alive. The caller has checked the bounds.
  static Tensor tensor(const std::shared_ptr<const MappedFile>& file, uint64_t offset, torch::IntArrayRef shape,
                       torch::IntArrayRef strides, torch::ScalarType dtype);

  /// Gives back the memory of a tensor that lies in a file, or of a piece of one: its pages are read again when they are needed.
  /// For a tensor that nobody wrote to since it was loaded: what was written is lost. Any other tensor is left as it is.
  static void give_back(const Tensor& tensor);
  /// give_back() of a tensor that nobody else has and that is about to go: the file may stay mapped for another tensor's sake.
  static void give_back_last(const Tensor& tensor);

 private:
  MappedFile(std::filesystem::path path, char* data, uint64_t size)
      : path_(std::move(path)),
        data_(data),
        size_(size) {}

  std::filesystem::path path_;
  char* data_;  // null when the file is empty
  uint64_t size_;
};

}  // namespace plugtune::formats
