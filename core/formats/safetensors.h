#pragma once
// safetensors.h - the safetensors container: reads strictly and without copying, writes the reference library's bytes.
// Format: https://huggingface.co/docs/safetensors; strictness after safetensors/src/tensor.rs, version 0.8.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/mapped_file.h"
#include "formats/named_tensors.h"
#include "formats/output_file.h"

namespace plugtune::formats {

/// A file of tensors, checked whole when it is opened: after that every tensor(name) is there.
class SafetensorsFile {
 public:
  /// Throws Error naming the tensor and the byte: cut off, holes or overlaps, sizes that do not agree, names or keys twice,
  /// types that torch does not have.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const noexcept { return file_->path(); }
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
  std::vector<std::string> names() const;  ///< in byte order
  bool contains(const std::string& name) const { return entries_.contains(name); }

  /// In the file's own type, where it lies in the mapped file (which stays mapped as long as a tensor lives). May be written
  /// to; the file does not change. Throws Error, with the nearest name, when there is none of that name.
  Tensor tensor(const std::string& name) const;
  NamedTensors tensors() const;

 private:
  struct Entry {
    torch::ScalarType dtype;
    std::vector<int64_t> shape;
    uint64_t begin, end;  // bytes from the start of the data
  };
  friend class SafetensorsHeader;  // fills it

  std::shared_ptr<const MappedFile> file_;
  uint64_t data_start_ = 0;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// Writes tensors of any device and layout; equal tensors and metadata give equal bytes, those of the reference library.
void write_safetensors(OutputFile& output, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// The same to a file of its own, atomically.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace plugtune::formats
