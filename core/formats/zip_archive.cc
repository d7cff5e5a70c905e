// zip_archive.cc - reads zip archives of uncompressed entries where they lie.
#include "formats/zip_archive.h"

#include <fmt/format.h>

#include <cstring>

#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryHeader = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kEnd64Locator = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kDirectoryBytes = 46, kEndBytes = 22, kLocatorBytes = 20;

/// Reads little-endian numbers; every read is within the file, or an Error.
class ZipReader {
 public:
  explicit ZipReader(const MappedFile& file) : file_(file), bytes_(file.bytes()) {}

  std::map<std::string, ZipArchive::Entry> entries() const {
    const Directory directory = find_directory();
    std::map<std::string, ZipArchive::Entry> entries;
    uint64_t at = directory.begin;
    for (uint64_t i = 0; i < directory.entries; ++i) {
      if (number<uint32_t>(at) != kDirectoryHeader) damaged("its directory has no entry at byte {}", grouped(at));
      const uint16_t name_bytes = number<uint16_t>(at + 28), extra_bytes = number<uint16_t>(at + 30);
      const std::string name(piece(at + kDirectoryBytes, name_bytes));
      if (!entries.emplace(name, read_entry(at, name, extra_bytes)).second) damaged("it has two entries '{}'", name);
      at += kDirectoryBytes + name_bytes + extra_bytes + number<uint16_t>(at + 32);
    }
    return entries;
  }

 private:
  struct Directory {
    uint64_t entries, begin;
  };

  /// The end record is the last thing in the file, but for a comment of up to 65,535 bytes.
  Directory find_directory() const {
    const uint64_t first = bytes_.size() > kEndBytes + 65535 ? bytes_.size() - kEndBytes - 65535 : 0;
    for (uint64_t at = bytes_.size() < kEndBytes ? 0 : bytes_.size() - kEndBytes + 1; at-- > first;) {
      if (number<uint32_t>(at) != kEnd || at + kEndBytes + number<uint16_t>(at + 20) != bytes_.size()) continue;
      if (at >= kLocatorBytes && number<uint32_t>(at - kLocatorBytes) == kEnd64Locator) {
        const uint64_t end64 = number<uint64_t>(at - kLocatorBytes + 8);
        if (number<uint32_t>(end64) != kEnd64) damaged("its zip64 end record is not at byte {}", grouped(end64));
        return {number<uint64_t>(end64 + 32), number<uint64_t>(end64 + 48)};
      }
      return {number<uint16_t>(at + 10), number<uint32_t>(at + 16)};
    }
    throw Error(
        fmt::format("{}: is a zip archive without its end; it is cut off, copy it again", file_.path().string()));
  }

  ZipArchive::Entry read_entry(uint64_t at, const std::string& name, uint16_t extra_bytes) const {
    if ((number<uint16_t>(at + 8) & 1) != 0) refuse("entry '{}' is encrypted", name);
    if (number<uint16_t>(at + 10) != 0) {
      refuse("entry '{}' is compressed; torch.save stores its entries uncompressed", name);
    }
    uint64_t packed = number<uint32_t>(at + 20), size = number<uint32_t>(at + 24), header = number<uint32_t>(at + 42);
    read_zip64(at + kDirectoryBytes + name.size(), extra_bytes, {&size, &packed, &header});
    if (packed != size) damaged("entry '{}' has two sizes, {} and {}", name, grouped(packed), grouped(size));
    if (number<uint32_t>(header) != kLocalHeader) {
      damaged("entry '{}' does not begin at byte {}", name, grouped(header));
    }

    const uint64_t name_at = header + kLocalBytes;
    const uint16_t name_bytes = number<uint16_t>(header + 26);
    if (piece(name_at, name_bytes) != name) {
      damaged("entry '{}' calls itself '{}'", name, piece(name_at, name_bytes));
    }
    const ZipArchive::Entry entry{name_at + name_bytes + number<uint16_t>(header + 28), size};
    if (entry.begin > bytes_.size() || size > bytes_.size() - entry.begin) {
      damaged("entry '{}' ends at byte {} but the file has {}", name, grouped(entry.begin + size),
              grouped(bytes_.size()));
    }
    return entry;
  }

  /// The 64-bit values of those fields that say FFFFFFFF, in this order.
  void read_zip64(uint64_t extra, uint16_t extra_bytes, std::initializer_list<uint64_t*> fields) const {
    const uint64_t end = extra + extra_bytes;
    while (extra + 4 <= end && number<uint16_t>(extra) != 1)
      extra += 4 + number<uint16_t>(extra + 2);
    uint64_t value = extra + 4;
    for (uint64_t* field : fields) {
      if (*field != 0xFFFFFFFF) continue;
      if (value + 8 > end) damaged("a size of more than 4 GB is missing in its directory");
      *field = number<uint64_t>(value);
      value += 8;
    }
  }

  template <class Number>
  Number number(uint64_t at) const {
    Number value;
    std::memcpy(&value, piece(at, sizeof(Number)).data(), sizeof(Number));
    return value;
  }

  std::string_view piece(uint64_t at, uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) {
      damaged("it points to byte {} of {}", grouped(at), grouped(bytes_.size()));
    }
    return bytes_.substr(at, size);
  }

  template <class... Args>
  [[noreturn]] void damaged(fmt::format_string<Args...> problem, Args&&... args) const {
    throw Error(fmt::format("{}: is a damaged zip archive: {}; copy it again", file_.path().string(),
                            fmt::format(problem, std::forward<Args>(args)...)));
  }

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> problem, Args&&... args) const {
    throw Error(fmt::format("{}: {}", file_.path().string(), fmt::format(problem, std::forward<Args>(args)...)));
  }

  const MappedFile& file_;
  std::string_view bytes_;
};

}  // namespace

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file)
    : entries_(ZipReader(*file).entries()),
      file_(std::move(file)) {}

const ZipArchive::Entry* ZipArchive::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

bool looks_like_zip(std::string_view bytes) { return bytes.starts_with("PK\x03\x04"); }

}  // namespace plugtune::formats
