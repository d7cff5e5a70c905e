#pragma once
// zip_archive.h - zip archives of uncompressed entries, as torch.save writes them. APPNOTE.TXT 6.3.10, with zip64.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/mapped_file.h"
#include "formats/output_file.h"

namespace plugtune::formats {

/// The entries of an archive, all checked to lie within the file.
class ZipArchive {
 public:
  struct Entry {
    uint64_t begin;  ///< first byte of the contents in the file
    uint64_t size;
  };

  /// Throws Error when the archive is cut off or damaged, or an entry is compressed, encrypted, overlaps another or leads
  /// out of the archive by its name.
  explicit ZipArchive(std::shared_ptr<const MappedFile> file);

  const std::map<std::string, Entry>& entries() const noexcept { return entries_; }
  const Entry* find(const std::string& name) const;
  std::string_view bytes(const Entry& entry) const { return file_->bytes().substr(entry.begin, entry.size); }

 private:
  std::map<std::string, Entry> entries_;
  std::shared_ptr<const MappedFile> file_;
};

/// True when the file begins as a zip archive does.
bool looks_like_zip(std::string_view bytes);

/// Writes an archive front to back; finish() must be called once at the end.
class ZipWriter {
 public:
  /// @param zip64_from  sizes and offsets from here on are written in 64 bits; lower values are for tests.
  explicit ZipWriter(OutputFile& output, uint64_t zip64_from = 0xFFFFFFFF) : output_(output), zip64_from_(zip64_from) {}

  /// Contents begin at a multiple of `alignment` (a power of two).
  void add(const std::string& name, const void* data, uint64_t size, uint64_t alignment = 1);
  void add(const std::string& name, std::string_view text) { add(name, text.data(), text.size()); }
  void finish();

 private:
  struct Entry {
    std::string name;
    uint32_t crc;
    uint64_t size, header_at;
  };
  OutputFile& output_;
  uint64_t zip64_from_;
  std::vector<Entry> entries_;
};

/// The checksum of zip (CRC-32, reflected polynomial EDB88320).
uint32_t crc32(const void* data, uint64_t size);

}  // namespace plugtune::formats
