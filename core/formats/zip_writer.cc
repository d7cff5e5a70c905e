// zip_writer.cc - writes zip archives of uncompressed, aligned entries.
#include <array>
#include <cstring>

#include "formats/zip_archive.h"

namespace plugtune::formats {

namespace {

/// Little-endian fields, one after another.
class Fields {
 public:
  Fields& u16(uint64_t value) { return append(value, 2); }
  Fields& u32(uint64_t value) { return append(value, 4); }
  Fields& u64(uint64_t value) { return append(value, 8); }
  Fields& text(std::string_view value) {
    bytes_ += value;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  Fields& append(uint64_t value, int size) {
    for (int i = 0; i < size; ++i)
      bytes_ += static_cast<char>(value >> (8 * i));
    return *this;
  }
  std::string bytes_;
};

/// Tables for eight bytes at a time: table[k][b] is the checksum of byte b followed by k zeros.
constexpr auto kCrcTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = crc >> 1 ^ (crc & 1) * 0xEDB88320u;
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 255];
    }
  }
  return tables;
}();

constexpr uint16_t kVersion = 45;  // 4.5: the first with zip64
constexpr uint16_t kUtf8Names = 1 << 11;
constexpr uint64_t kDate1980 = 0x0021;    // no time stamps: equal contents give equal bytes
constexpr uint64_t kPaddingId = 0x4246;   // "FB": torch's own extra field for alignment
constexpr uint64_t kNoSize = 0xFFFFFFFF;  // the size is in the zip64 field

}  // namespace

uint32_t crc32(const void* data, uint64_t size) {
  const auto* at = static_cast<const unsigned char*>(data);
  uint32_t crc = 0xFFFFFFFF;
  for (; size >= 8; size -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    word ^= crc;
    crc = 0;
    for (int k = 0; k < 8; ++k)
      crc ^= kCrcTables[7 - k][word >> (8 * k) & 255];
  }
  for (; size > 0; --size, ++at)
    crc = crc >> 8 ^ kCrcTables[0][(crc ^ *at) & 255];
  return ~crc;
}

void ZipWriter::add(const std::string& name, const void* data, uint64_t size, uint64_t alignment) {
  const uint64_t header_at = output_.position();
  const bool large = size >= zip64_from_;
  const uint32_t crc = crc32(data, size);

  Fields extra;
  if (large) extra.u16(1).u16(16).u64(size).u64(size);
  if (alignment > 1) {
    const uint64_t unpadded = header_at + 30 + name.size() + extra.bytes().size() + 4;
    const uint64_t padding = (alignment - unpadded % alignment) % alignment;
    extra.u16(kPaddingId).u16(padding).text(std::string(padding, 'Z'));
  }
  Fields header;
  header.u32(0x04034b50).u16(kVersion).u16(kUtf8Names).u16(0).u16(0).u16(kDate1980).u32(crc);
  header.u32(large ? kNoSize : size).u32(large ? kNoSize : size).u16(name.size()).u16(extra.bytes().size());
  output_.write(header.text(name).text(extra.bytes()).bytes());
  output_.write(data, size);
  entries_.push_back({name, crc, size, header_at});
}

void ZipWriter::finish() {
  const uint64_t begin = output_.position();
  for (const Entry& entry : entries_) {
    const bool large = entry.size >= zip64_from_, far = entry.header_at >= zip64_from_;
    Fields values;
    if (large) values.u64(entry.size).u64(entry.size);
    if (far) values.u64(entry.header_at);
    Fields extra;
    if (large || far) extra.u16(1).u16(values.bytes().size()).text(values.bytes());
    Fields header;
    header.u32(0x02014b50).u16(kVersion).u16(kVersion).u16(kUtf8Names).u16(0).u16(0).u16(kDate1980).u32(entry.crc);
    header.u32(large ? kNoSize : entry.size).u32(large ? kNoSize : entry.size).u16(entry.name.size());
    header.u16(extra.bytes().size()).u16(0).u16(0).u16(0).u32(0).u32(far ? kNoSize : entry.header_at);
    output_.write(header.text(entry.name).text(extra.bytes()).bytes());
  }

  const uint64_t end = output_.position(), count = entries_.size();
  Fields record;
  const bool zip64 = begin >= zip64_from_ || count >= 0xFFFF;
  if (zip64) {
    record.u32(0x06064b50)
        .u64(44)
        .u16(kVersion)
        .u16(kVersion)
        .u32(0)
        .u32(0)
        .u64(count)
        .u64(count)
        .u64(end - begin)
        .u64(begin);
    record.u32(0x07064b50).u32(0).u64(end).u32(1);
  }
  const uint64_t short_count = zip64 ? 0xFFFF : count;
  record.u32(0x06054b50).u16(0).u16(0).u16(short_count).u16(short_count);
  record.u32(zip64 ? kNoSize : end - begin).u32(zip64 ? kNoSize : begin).u16(0);
  output_.write(record.bytes());
}

}  // namespace plugtune::formats
