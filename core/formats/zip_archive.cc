// zip_archive.cc - reads zip archives of uncompressed entries where they lie.
#include "formats/zip_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryHeader = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kEnd64Locator = 0x07064b50;
constexpr uint16_t kEncrypted = 1 << 0,
                   kSizesFollow = 1 << 3;  // flags; sizes that follow the contents are 0 before them
constexpr uint64_t kLocalBytes = 30, kDirectoryBytes = 46, kEndBytes = 22, kLocatorBytes = 20;

/// Reads little-endian numbers; every read is within the file, or an Error.
class ZipReader {
 public:
  explicit ZipReader(const MappedFile& file) : file_(file), bytes_(file.bytes()) {}

  std::map<std::string, ZipArchive::Entry> entries() const {
    const Directory directory = find_directory();
    std::map<std::string, ZipArchive::Entry> entries;
    std::vector<Span> spans;
    uint64_t at = directory.begin;
    for (uint64_t i = 0; i < directory.entries; ++i) {
      if (number<uint32_t>(at) != kDirectoryHeader) damaged("its directory has no entry at byte {}", grouped(at));
      const uint16_t name_bytes = number<uint16_t>(at + 28), extra_bytes = number<uint16_t>(at + 30);
      const std::string name(piece(at + kDirectoryBytes, name_bytes));
      const Span span = read_entry(at, name, extra_bytes);
      if (!entries.emplace(name, span.entry).second) damaged("it has two entries '{}'", name);
      spans.push_back(span);
      at += kDirectoryBytes + name_bytes + extra_bytes + number<uint16_t>(at + 32);
    }
    refuse_overlaps(spans, directory.begin);
    return entries;
  }

 private:
  struct Directory {
    uint64_t entries, begin;
  };
  struct Span {
    uint64_t header;
    ZipArchive::Entry entry;
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

  Span read_entry(uint64_t at, const std::string& name, uint16_t extra_bytes) const {
    if ((number<uint16_t>(at + 8) & kEncrypted) != 0) refuse("entry '{}' is encrypted", name);
    if (number<uint16_t>(at + 10) != 0) {
      refuse("entry '{}' is compressed; torch.save stores its entries uncompressed", name);
    }
    // Nothing is ever unpacked here; whoever unpacks such an archive elsewhere writes where its maker wants.
    if (leads_out(name)) refuse("entry '{}' leads out of the archive; torch.save writes no such names", name);
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
      damaged("entry '{}' ends at byte {} but the file has {}", name,
              grouped(entry.begin + std::min(size, UINT64_MAX - entry.begin)), grouped(bytes_.size()));
    }
    check_local_header(header, name, size);
    return {header, entry};
  }

  /// What an entry says of itself must be what the directory says: readers differ in which of the two they believe.
  void check_local_header(uint64_t header, const std::string& name, uint64_t size) const {
    const uint16_t flags = number<uint16_t>(header + 6);
    if ((flags & kEncrypted) != 0 || number<uint16_t>(header + 8) != 0) {
      damaged("entry '{}' is stored according to the directory, and packed or encrypted according to itself", name);
    }
    if ((flags & kSizesFollow) != 0) return;
    uint64_t packed_here = number<uint32_t>(header + 18), size_here = number<uint32_t>(header + 22);
    read_zip64(header + kLocalBytes + name.size(), number<uint16_t>(header + 28), {&size_here, &packed_here});
    if (size_here == size && packed_here == size) return;
    damaged("entry '{}' has {} bytes according to the directory, {} according to itself", name, grouped(size),
            grouped(size_here == size ? packed_here : size_here));
  }

  /// Entries that share bytes are how a few kilobytes become terabytes, and how two readers see two models.
  void refuse_overlaps(std::vector<Span>& spans, uint64_t directory_begin) const {
    std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.header < b.header; });
    for (size_t i = 0; i < spans.size(); ++i) {
      const uint64_t end = spans[i].entry.begin + spans[i].entry.size;
      const uint64_t next = i + 1 < spans.size() ? spans[i + 1].header : directory_begin;
      if (end <= next) continue;
      damaged("the entry at byte {} ends at byte {}, in the middle of what begins at byte {}", grouped(spans[i].header),
              grouped(end), grouped(next));
    }
  }

  static bool leads_out(std::string_view name) {
    if (name.empty() || name.front() == '/' || name.find_first_of(std::string_view("\\\0", 2)) != name.npos)
      return true;
    for (size_t begin = 0; begin <= name.size();) {
      const size_t end = std::min(name.find('/', begin), name.size());
      if (name.substr(begin, end - begin) == "..") return true;
      begin = end + 1;
    }
    return false;
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
