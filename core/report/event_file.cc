// event_file.cc - TensorBoard's files: TFRecord framing (tensorflow/core/lib/io/record_writer.h) around Event messages
// (tensorboard/compat/proto/event.proto and summary.proto), of which only a handful of fields are needed.
#include "report/event_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "formats/atomic_file.h"
#include "formats/mapped_file.h"

namespace plugtune::report {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr const char* kPrefix = "events.out.tfevents.";
constexpr const char* kConsequence = "TensorBoard does not see the run from here on";
constexpr size_t kHeaderBytes = 12, kFooterBytes = 4;  // length and its CRC; CRC of the data

constexpr std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}

/// CRCs of data that holds CRCs are weak: TFRecord stores them turned and shifted.
uint32_t masked_crc(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U; }

template <class Number>
void put(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <class Number>
Number get(std::string_view bytes, size_t at) {
  Number number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

// Protocol buffers: a field is a key (number << 3 | type) and its value; a default value is not written.
enum class Wire : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out += static_cast<char>(0x80 | (value & 0x7F));
  out += static_cast<char>(value);
}
void put_key(std::string& out, uint32_t field, Wire wire) { put_varint(out, field << 3 | static_cast<uint32_t>(wire)); }

void put_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  put_key(out, field, Wire::kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

/// Reads a varint and moves `at` behind it; nothing when it is cut off.
std::optional<uint64_t> get_varint(std::string_view bytes, size_t& at) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes[at++]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// Fields of Event.
constexpr uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;

std::string event(double wall_time, int64_t step) {
  std::string out;
  put_key(out, kWallTime, Wire::kFixed64);
  put(out, wall_time);
  if (step != 0) {
    put_key(out, kStep, Wire::kVarint);
    put_varint(out, static_cast<uint64_t>(step));
  }
  return out;
}

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::vector<std::filesystem::path> event_files(const std::filesystem::path& run) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(run)) {
    if (entry.path().filename().string().starts_with(kPrefix)) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

/// Takes the events of later steps out of a file; one without any is removed.
void keep_steps(const std::filesystem::path& file, int64_t last_step) {
  std::string kept;
  bool has_steps = false;
  {
    const auto mapped = formats::MappedFile::open(file);
    const std::string_view bytes = mapped->bytes();
    for (const std::string_view record : tf_records(bytes)) {
      const int64_t step = step_of(record);
      if (step > last_step) continue;
      has_steps = has_steps || step > 0;
      kept += tf_record(record);
    }
    if (has_steps && kept.size() == bytes.size()) return;
  }
  // A new file under the old name: a TensorBoard that has the old one open is not handed other bytes in the middle of it.
  if (has_steps) return formats::write_file_atomically(file, kept);
  std::filesystem::remove(file);
}

/// After every file that is there: TensorBoard reads them by name.
std::filesystem::path next_path(const std::filesystem::path& run) {
  auto seconds = static_cast<int64_t>(now());
  for (const auto& file : event_files(run)) {
    const std::string name = file.filename().string().substr(std::strlen(kPrefix));
    seconds = std::max<int64_t>(seconds, std::atoll(name.substr(0, 10).c_str()) + 1);
  }
  return run / fmt::format("{}{:010}.plugtune", kPrefix, seconds);
}

/// What a new file begins with, once the others hold nothing that it will say again.
std::string first_records(const std::filesystem::path& run, int64_t keep_through_step) {
  const std::vector<std::filesystem::path> before = event_files(run);
  for (const auto& file : before)
    keep_steps(file, keep_through_step);
  std::string records = tf_record(version_event(now()));
  if (!before.empty()) records += tf_record(restart_event(now(), keep_through_step + 1));
  return records;
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = crc_table();
  uint32_t crc = ~0U;
  for (const char byte : bytes)
    crc = kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

std::string tf_record(std::string_view data) {
  std::string out;
  put(out, static_cast<uint64_t>(data.size()));
  put(out, masked_crc(std::string_view(out)));
  out += data;
  put(out, masked_crc(data));
  return out;
}

std::vector<std::string_view> tf_records(std::string_view file) {
  std::vector<std::string_view> records;
  while (file.size() >= kHeaderBytes + kFooterBytes) {
    const auto size = get<uint64_t>(file, 0);
    if (get<uint32_t>(file, 8) != masked_crc(file.substr(0, 8)) || size > file.size() - kHeaderBytes - kFooterBytes)
      break;
    const std::string_view data = file.substr(kHeaderBytes, size);
    if (get<uint32_t>(file, kHeaderBytes + size) != masked_crc(data)) break;
    records.push_back(data);
    file.remove_prefix(kHeaderBytes + size + kFooterBytes);
  }
  return records;
}

std::string version_event(double wall_time) {
  std::string out = event(wall_time, 0);
  put_bytes(out, kFileVersion, "brain.Event:2");
  return out;
}

std::string restart_event(double wall_time, int64_t step) {
  std::string log;
  put_key(log, 1, Wire::kVarint);  // SessionLog.status = START
  put_varint(log, 1);
  std::string out = event(wall_time, step);
  put_bytes(out, kSessionLog, log);
  return out;
}

std::string scalars_event(double wall_time, int64_t step, const Scalars& scalars) {
  std::string summary;
  for (const auto& [tag, value] : scalars) {
    std::string entry;
    put_bytes(entry, 1, tag);
    put_key(entry, 2, Wire::kFixed32);  // simple_value: one of several kinds, so that 0 is written too
    put(entry, static_cast<float>(value));
    put_bytes(summary, 1, entry);
  }
  std::string out = event(wall_time, step);
  put_bytes(out, kSummary, summary);
  return out;
}

int64_t step_of(std::string_view event) {
  for (size_t at = 0; at < event.size();) {
    const auto key = get_varint(event, at);
    if (!key) return 0;
    const auto wire = static_cast<Wire>(*key & 7);
    if (wire == Wire::kFixed64) {
      at += 8;
    } else if (wire == Wire::kFixed32) {
      at += 4;
    } else {
      const auto value = get_varint(event, at);
      if (!value) return 0;
      if (wire == Wire::kVarint && *key >> 3 == kStep) return static_cast<int64_t>(*value);
      if (wire == Wire::kBytes) at += std::min<uint64_t>(*value, event.size() - at);
    }
  }
  return 0;
}

// The name is chosen while the files before it are still there: a TensorBoard that has read them goes on to later names only.
EventFile::EventFile(const std::filesystem::path& run, int64_t keep_through_step)
    : EventFile(next_path(run), run, keep_through_step) {}

EventFile::EventFile(const std::filesystem::path& path, const std::filesystem::path& run, int64_t keep_through_step)
    : file_(path, first_records(run, keep_through_step), kConsequence, kConsequence) {}

void EventFile::add(int64_t step, const Scalars& scalars) {
  file_.append(tf_record(scalars_event(now(), step, scalars)));
}

}  // namespace plugtune::report
