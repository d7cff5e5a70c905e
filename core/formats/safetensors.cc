// safetensors.cc - reads the safetensors container strictly and without copying.
#include "formats/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "formats/element_types.h"
#include "formats/strict_json.h"
#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference's bound

}  // namespace

/// Reads and checks the header; the steps of read() are the format.
class SafetensorsHeader {
 public:
  SafetensorsHeader(const MappedFile& file, SafetensorsFile& result) : file_(file), result_(result) {}

  void read() {
    const nlohmann::json header =
        parse_json(json_text(), fmt::format("{} (header)", file_.path().string()), /*max_depth=*/4);
    for (const auto& [name, fields] : header.items()) {
      if (name == "__metadata__") {
        read_metadata(fields);
      } else {
        read_entry(name, fields);
      }
    }
    check_coverage();
  }

 private:
  std::string_view json_text() {
    const std::string_view bytes = file_.bytes();
    if (bytes.size() < 8) {
      fail("has {} bytes, a safetensors file begins with 8; it is cut off, copy it again", bytes.size());
    }
    uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof(length));
    if (length > kMaxHeaderBytes) {
      fail("is not a safetensors file: its header would have {} bytes, at most {} are allowed", grouped(length),
           grouped(kMaxHeaderBytes));
    }
    if (length > bytes.size() - 8) {
      fail("its header ends at byte {} but the file has {}; it is cut off, copy it again", grouped(8 + length),
           grouped(bytes.size()));
    }
    const std::string_view text = bytes.substr(8, length);
    if (!text.starts_with('{')) fail("is not a safetensors file: its header does not begin with '{{'");
    result_.data_start_ = 8 + length;
    return text;
  }

  void read_metadata(const nlohmann::json& fields) {
    if (!fields.is_object()) fail("__metadata__ must be an object of strings, got {}", fields.dump());
    for (const auto& [key, value] : fields.items()) {
      if (!value.is_string()) fail("__metadata__ '{}' must be a string, got {}", key, value.dump());
      result_.metadata_[key] = value.get<std::string>();
    }
  }

  void read_entry(const std::string& name, const nlohmann::json& fields) {
    if (!fields.is_object() || fields.size() != 3 || !fields.contains("dtype") || !fields.contains("shape") ||
        !fields.contains("data_offsets")) {
      fail("tensor '{}' must have dtype, shape and data_offsets, got {}", name, fields.dump());
    }
    SafetensorsFile::Entry entry{read_dtype(name, fields["dtype"]), {}, 0, 0};
    read_offsets(name, fields["data_offsets"], entry);
    read_shape(name, fields["shape"], entry);
    result_.entries_.emplace(name, std::move(entry));
  }

  torch::ScalarType read_dtype(const std::string& name, const nlohmann::json& dtype) {
    for (const ElementType& type : kElementTypes) {
      if (dtype == type.name) return type.dtype;
    }
    std::vector<std::string> known;
    for (const ElementType& type : kElementTypes)
      known.emplace_back(type.name);
    fail("tensor '{}' has dtype {}; readable are {}", name, dtype.dump(), join(known));
  }

  void read_offsets(const std::string& name, const nlohmann::json& offsets, SafetensorsFile::Entry& entry) {
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned() || offsets[0] > offsets[1]) {
      fail("tensor '{}' must have data_offsets [begin, end], got {}", name, offsets.dump());
    }
    entry.begin = offsets[0].get<uint64_t>();
    entry.end = offsets[1].get<uint64_t>();
  }

  void read_shape(const std::string& name, const nlohmann::json& shape, SafetensorsFile::Entry& entry) {
    if (!shape.is_array()) fail("tensor '{}' must have a list of sizes as shape, got {}", name, shape.dump());
    int64_t bytes = static_cast<int64_t>(c10::elementSize(entry.dtype));
    bool is_empty = false;
    for (const auto& size : shape) {
      if (!size.is_number_unsigned()) fail("tensor '{}' must have whole sizes, got shape {}", name, shape.dump());
      const uint64_t rows = size.get<uint64_t>();
      is_empty |= rows == 0;
      // An empty tensor too: its strides are products of the other sizes.
      if (rows > INT64_MAX ||
          __builtin_mul_overflow(bytes, static_cast<int64_t>(std::max<uint64_t>(rows, 1)), &bytes)) {
        fail("tensor '{}' has shape {}, which no memory holds", name, shape.dump());
      }
      entry.shape.push_back(static_cast<int64_t>(rows));
    }
    if (is_empty) bytes = 0;
    if (static_cast<uint64_t>(bytes) != entry.end - entry.begin) {
      fail("tensor '{}' of shape {} needs {} bytes, but its data has {}", name, shape_text(entry.shape), grouped(bytes),
           grouped(entry.end - entry.begin));
    }
  }

  /// One tensor begins where another ends, from the first byte of the data to the last of the file.
  void check_coverage() {
    using NamedEntry = std::pair<const std::string, SafetensorsFile::Entry>;
    std::vector<const NamedEntry*> by_offset;
    for (const NamedEntry& entry : result_.entries_)
      by_offset.push_back(&entry);
    std::sort(by_offset.begin(), by_offset.end(), [](const NamedEntry* a, const NamedEntry* b) {
      return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
    });

    const uint64_t data_bytes = file_.size() - result_.data_start_;
    uint64_t covered = 0;
    for (const NamedEntry* entry : by_offset) {
      const auto& [name, place] = *entry;
      if (place.begin != covered) {
        fail("tensor '{}' begins at byte {} of the data, expected {}: tensors must not overlap or leave holes", name,
             grouped(place.begin), grouped(covered));
      }
      if (place.end > data_bytes) {
        fail("tensor '{}' ends at byte {} but the file has {}; it is cut off, copy it again", name,
             grouped(result_.data_start_ + place.end), grouped(file_.size()));
      }
      covered = place.end;
    }
    if (covered != data_bytes) {
      fail("has {} bytes after its last tensor; it is damaged, copy it again", grouped(data_bytes - covered));
    }
  }

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> problem, Args&&... args) const {
    throw Error(fmt::format("{}: {}", file_.path().string(), fmt::format(problem, std::forward<Args>(args)...)));
  }

  const MappedFile& file_;
  SafetensorsFile& result_;
};

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result;
  result.file_ = MappedFile::open(path);
  SafetensorsHeader(*result.file_, result).read();
  return result;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_)
    names.push_back(name);
  return names;
}

Tensor SafetensorsFile::tensor(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    throw Error(fmt::format("{}: has no tensor '{}'{}", path().string(), name, did_you_mean(name, names())));
  }
  const Entry& entry = found->second;
  std::vector<int64_t> strides(entry.shape.size(), 1);
  for (size_t axis = strides.size(); axis-- > 1;)
    strides[axis - 1] = strides[axis] * entry.shape[axis];
  return MappedFile::tensor(file_, data_start_ + entry.begin, entry.shape, strides, entry.dtype);
}

NamedTensors SafetensorsFile::tensors() const {
  NamedTensors all;
  for (const auto& [name, entry] : entries_)
    all.emplace(name, tensor(name));
  return all;
}

}  // namespace plugtune::formats
