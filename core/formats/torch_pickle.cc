// torch_pickle.cc - reads files of torch.save, the zip format and the one before PyTorch 1.6.
#include "formats/torch_pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "formats/mapped_file.h"
#include "formats/pickle.h"
#include "formats/torch_storage.h"
#include "formats/wording.h"
#include "formats/zip_archive.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

using Kind = PickleValue::Kind;
using File = std::shared_ptr<const MappedFile>;

/// Where the elements of one storage lie in the file.
struct StoragePlace {
  uint64_t begin, bytes;
};

/// A tensor's storage as its pickle describes it: torch type, key, number of elements, and the part of the keyed storage
/// that it is (the old format could save views of storages).
struct StorageClaim {
  torch::ScalarType dtype;
  std::string key;
  int64_t elements, first = 0;
};

/// Turns the pickle's descriptions into tensors, each checked against the storages of the file.
class TensorBuilder {
 public:
  TensorBuilder(File file, std::map<std::string, StoragePlace> storages)
      : file_(std::move(file)),
        storages_(std::move(storages)) {}

  NamedTensors build_all(const PickleValue& root) {
    if (root.kind != Kind::kDict) fail("holds {}; only a dictionary of tensors is read", kind_name(root.kind));
    NamedTensors tensors;
    for (size_t i = 0; i < root.items.size(); i += 2) {
      const PickleValue &key = *root.items[i], &value = *root.items[i + 1];
      if (key.kind != Kind::kString) {
        fail("has {} as a key; only a dictionary of named tensors is read", kind_name(key.kind));
      }
      if (value.kind != Kind::kTensor) {
        fail("'{}' is {}, not a tensor; only a plain dictionary of tensors is read", key.text, kind_name(value.kind));
      }
      if (!tensors.emplace(key.text, build(key.text, value)).second) fail("has the tensor '{}' twice", key.text);
    }
    return tensors;
  }

 private:
  /// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks).
  Tensor build(const std::string& name, const PickleValue& tensor) {
    const auto& arguments = tensor.items;
    if (arguments.size() < 4 || arguments[0]->kind != Kind::kStorage) fail("tensor '{}' has no storage", name);
    const StorageClaim storage = claim_of(name, *arguments[0]);
    const int64_t offset = number(name, *arguments[1]);
    const std::vector<int64_t> shape = numbers(name, *arguments[2]), strides = numbers(name, *arguments[3]);
    if (shape.size() != strides.size()) {
      fail("tensor '{}' has {} sizes and {} strides", name, shape.size(), strides.size());
    }
    check_bounds(name, storage, offset, shape, strides);
    const bool is_empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
    if (is_empty) return torch::empty(shape, storage.dtype);
    return whole_storage(storage).as_strided(shape, strides, storage.first + offset);
  }

  /// One tensor for all that lie in a storage: they stay views of the same numbers, even where these had to be copied.
  Tensor whole_storage(const StorageClaim& storage) {
    Tensor& whole = wholes_[{storage.key, storage.dtype}];
    if (!whole.defined()) {
      const StoragePlace& place = storages_.at(storage.key);
      const auto elements = static_cast<int64_t>(place.bytes / c10::elementSize(storage.dtype));
      whole = MappedFile::tensor(file_, place.begin, {elements}, {1}, storage.dtype);
    }
    return whole;
  }

  /// ("storage", type, key, location, elements), before 1.6 with a sixth: None or (key of the view, offset, elements).
  StorageClaim claim_of(const std::string& name, const PickleValue& storage) const {
    const auto& id = storage.items;
    if (id.size() < 5 || id[0]->text != "storage" || id[1]->kind != Kind::kGlobal || id[2]->kind != Kind::kString) {
      fail("tensor '{}' has a storage of an unknown form", name);
    }
    const auto type = std::find_if(kStorageTypes.begin(), kStorageTypes.end(), [&](const StorageType& known) {
      return id[1]->text == fmt::format("torch.{}", known.name);
    });
    if (type == kStorageTypes.end()) fail("tensor '{}' has a storage of type '{}'", name, id[1]->text);
    StorageClaim claim{type->dtype, id[2]->text, number(name, *id[4])};
    if (id.size() > 5 && id[5]->kind == Kind::kTuple) {
      if (id[5]->items.size() != 3) fail("tensor '{}' has a storage of an unknown form", name);
      claim.first = number(name, *id[5]->items[1]);
      claim.elements = number(name, *id[5]->items[2]);
    }
    return claim;
  }

  void check_bounds(const std::string& name, const StorageClaim& storage, int64_t offset,
                    const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) const {
    const auto place = storages_.find(storage.key);
    if (place == storages_.end()) {
      fail("tensor '{}' lies in storage '{}', which the file does not have", name, storage.key);
    }
    const uint64_t held = place->second.bytes / c10::elementSize(storage.dtype);
    int64_t storage_end = 0;
    if (__builtin_add_overflow(storage.first, storage.elements, &storage_end) ||
        static_cast<uint64_t>(storage_end) > held) {
      fail("storage '{}' of tensor '{}' must have {} elements, but the file has {}; it is cut off, copy it again",
           storage.key, name, grouped(storage.elements), grouped(held));
    }

    // Elements as such, and the place of the last one; both may overflow in a hostile file. So may the strides of an empty
    // tensor, which are products of its other sizes.
    int64_t elements = 1, last = offset;
    bool overflows = false, is_empty = false;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      int64_t step = 0;
      is_empty |= shape[axis] == 0;
      overflows |= __builtin_mul_overflow(elements, std::max<int64_t>(shape[axis], 1), &elements);
      overflows |= __builtin_mul_overflow(std::max<int64_t>(shape[axis] - 1, 0), strides[axis], &step);
      overflows |= __builtin_add_overflow(last, step, &last);
    }
    overflows |= elements > INT64_MAX / kLargestElement;
    if (is_empty) elements = 0;
    // A stride of 0 repeats elements (expand); torch saves it so. A few bytes that claim to be gigabytes are an attack.
    const bool repeats_too_much = elements > storage.elements && elements > kMaxRepeatedElements;
    if (overflows || repeats_too_much || (elements > 0 && last >= storage.elements)) {
      fail("tensor '{}' of shape {}, strides {} and offset {} does not fit into its storage of {} elements", name,
           shape_text(shape), shape_text(strides), offset, grouped(storage.elements));
    }
  }

  int64_t number(const std::string& name, const PickleValue& value) const {
    if (value.kind != Kind::kInt || value.integer < 0) fail("tensor '{}' has a size or offset that is no number", name);
    return value.integer;
  }

  std::vector<int64_t> numbers(const std::string& name, const PickleValue& values) const {
    if (values.kind != Kind::kTuple || values.items.size() > 64) fail("tensor '{}' has no shape", name);
    std::vector<int64_t> result;
    for (const PickleValue* value : values.items)
      result.push_back(number(name, *value));
    return result;
  }

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> problem, Args&&... args) const {
    throw Error(fmt::format("{}: {}", file_->path().string(), fmt::format(problem, std::forward<Args>(args)...)));
  }

  static constexpr int64_t kMaxRepeatedElements = 1 << 24, kLargestElement = 8;  // bytes

  File file_;
  std::map<std::string, StoragePlace> storages_;
  std::map<std::pair<std::string, torch::ScalarType>, Tensor> wholes_;
};

/// NAME/data.pkl, NAME/data/KEY for each storage, NAME/byteorder; the rest does not matter.
NamedTensors read_zip(const File& file) {
  const std::string subject = file->path().string();
  const ZipArchive archive(file);
  std::string top;
  const ZipArchive::Entry* pickle = nullptr;
  for (const auto& [name, entry] : archive.entries()) {
    if (!name.ends_with("/data.pkl") || std::count(name.begin(), name.end(), '/') != 1) continue;
    if (pickle != nullptr) {
      throw Error(fmt::format("{}: must have one data.pkl, got '{}data.pkl' and '{}': two models in one file", subject,
                              top, name));
    }
    top = name.substr(0, name.size() - std::string_view("data.pkl").size());
    pickle = &entry;
  }
  if (pickle == nullptr) {
    throw Error(fmt::format("{}: is a zip archive, but not of torch.save: it has no data.pkl", subject));
  }
  if (archive.find(top + "constants.pkl") != nullptr) {
    throw Error(fmt::format(
        "{}: is a TorchScript program; only dictionaries of tensors are read (torch.save(model.state_dict(), ..))",
        subject));
  }
  const ZipArchive::Entry* order = archive.find(top + "byteorder");
  if (order != nullptr && archive.bytes(*order) != "little") {
    throw Error(fmt::format("{}: must have little-endian numbers, got '{}'", subject, archive.bytes(*order)));
  }

  std::map<std::string, StoragePlace> storages;
  for (const auto& [name, entry] : archive.entries()) {
    if (name.starts_with(top + "data/")) storages[name.substr(top.size() + 5)] = {entry.begin, entry.size};
  }
  Unpickler unpickler(archive.bytes(*pickle), subject);
  return TensorBuilder(file, std::move(storages)).build_all(unpickler.load());
}

// torch.serialization.MAGIC_NUMBER as a pickle: PROTO 2, LONG1 of 10 bytes, STOP.
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);

/// Bytes of an element by storage key, from the persistent ids: the old format keeps only the number of elements.
void collect_item_bytes(const PickleValue& root, std::map<std::string, size_t>& item_bytes) {
  for (const PickleValue* value : root.items) {
    if (value->kind != Kind::kTensor || value->items.empty()) continue;
    const auto& id = value->items[0]->items;
    if (value->items[0]->kind != Kind::kStorage || id.size() < 3) continue;
    for (const StorageType& type : kStorageTypes) {
      if (id[1]->text == fmt::format("torch.{}", type.name)) item_bytes[id[2]->text] = c10::elementSize(type.dtype);
    }
  }
}

/// Pickles of the magic number, the protocol (1001), the machine, the dictionary and the list of storage keys; then for each
/// key the number of elements (int64) and the elements.
NamedTensors read_legacy(const File& file) {
  const std::string subject = file->path().string();
  const std::string_view bytes = file->bytes();
  const std::string_view body = bytes.substr(kLegacyMagic.size());
  Unpickler unpickler(body, subject);
  if (const PickleValue& protocol = unpickler.load(); protocol.integer != 1001) {
    throw Error(fmt::format("{}: must be of torch.save protocol 1001, got {}", subject, protocol.integer));
  }
  const PickleValue& machine = unpickler.load();
  for (size_t i = 0; i + 1 < machine.items.size(); i += 2) {
    if (machine.items[i]->text == "little_endian" && machine.items[i + 1]->integer != 1) {
      throw Error(fmt::format("{}: must have little-endian numbers, got big-endian ones", subject));
    }
  }
  const PickleValue& root = unpickler.load();
  const PickleValue& keys = unpickler.load();
  std::map<std::string, size_t> item_bytes;
  collect_item_bytes(root, item_bytes);

  std::map<std::string, StoragePlace> storages;
  uint64_t at = kLegacyMagic.size() + unpickler.position();
  for (const PickleValue* key : keys.items) {
    uint64_t elements = 0;
    const auto item = item_bytes.find(key->text);
    const uint64_t size = item == item_bytes.end() ? 1 : item->second;
    const bool has_count = bytes.size() - at >= sizeof(elements);
    if (has_count) std::memcpy(&elements, bytes.data() + at, sizeof(elements));
    if (!has_count || elements > (bytes.size() - at - sizeof(elements)) / size) {
      throw Error(
          fmt::format("{}: storage '{}' begins at byte {} and ends after the file's {}; it is cut off, copy it again",
                      subject, key->text, grouped(at), grouped(bytes.size())));
    }
    storages[key->text] = {at + sizeof(elements), elements * size};
    at += sizeof(elements) + elements * size;
  }
  return TensorBuilder(file, std::move(storages)).build_all(root);
}

}  // namespace

NamedTensors read_torch_file(const std::filesystem::path& path) {
  const File file = MappedFile::open(path);
  const std::string_view bytes = file->bytes();
  if (looks_like_zip(bytes)) return read_zip(file);
  if (bytes.starts_with(kLegacyMagic)) return read_legacy(file);
  if (bytes.starts_with('\x80')) {  // any other pickle: say what it would have done
    Unpickler(bytes, path.string()).load();
    throw Error(fmt::format("{}: is a pickle, but not one of torch.save", path.string()));
  }
  throw Error(fmt::format("{}: is not a file of torch.save", path.string()));
}

}  // namespace plugtune::formats
