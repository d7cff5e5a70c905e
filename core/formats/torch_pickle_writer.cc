// torch_pickle_writer.cc - writes a dictionary of tensors as torch.save does.
#include <algorithm>

#include "formats/atomic_file.h"
#include "formats/torch_pickle.h"
#include "formats/torch_storage.h"
#include "formats/zip_archive.h"

namespace plugtune::formats {

namespace {

constexpr uint64_t kStorageAlignment = 64;  // that of torch.save, so that a mapped file can be used in place

std::string_view storage_name(torch::ScalarType dtype) {
  const auto type =
      std::find_if(kStorageTypes.begin(), kStorageTypes.end(), [&](const StorageType& t) { return t.dtype == dtype; });
  TORCH_INTERNAL_ASSERT(type != kStorageTypes.end(), "torch files have no storage type for ", dtype);
  return type->name;
}

/// Those of the shape alone: a contiguous tensor may have any stride where its size is 1, and equal tensors give equal bytes.
std::vector<int64_t> row_major_strides(torch::IntArrayRef shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t axis = strides.size(); axis-- > 1;)
    strides[axis - 1] = strides[axis] * std::max<int64_t>(shape[axis], 1);
  return strides;
}

/// The pickle instructions that torch.load(weights_only=True) allows, no more than a dictionary of tensors takes.
class Pickler {
 public:
  std::string dictionary(const NamedTensors& tensors) {
    code_ = "\x80\x02}(";  // PROTO 2, EMPTY_DICT, MARK
    int64_t key = 0;
    for (const auto& [name, tensor] : tensors) {
      text(name);
      put_tensor(tensor, key++);
    }
    code_ += "u.";  // SETITEMS, STOP
    return code_;
  }

 private:
  void put_tensor(const Tensor& tensor, int64_t key) {
    code_ += "ctorch._utils\n_rebuild_tensor_v2\n((";
    text("storage");
    code_ += "ctorch\n" + std::string(storage_name(tensor.scalar_type())) + "\n";
    text(std::to_string(key));
    text("cpu");
    integer(tensor.numel());
    code_ += "tQ";  // TUPLE, BINPERSID
    integer(0);
    tuple(tensor.sizes());
    tuple(row_major_strides(tensor.sizes()));
    code_ +=
        "\x89"  // NEWFALSE: requires_grad
        "ccollections\nOrderedDict\n)R"
        "tR";  // TUPLE, REDUCE
  }

  void text(const std::string& value) {
    code_ += 'X';
    little_endian(static_cast<int64_t>(value.size()), 4);
    code_ += value;
  }

  void integer(int64_t value) {
    if (value <= INT32_MAX) {
      code_ += 'J';
      little_endian(value, 4);
    } else {
      code_ += "\x8a\x08";  // LONG1 of 8 bytes
      little_endian(value, 8);
    }
  }

  void tuple(torch::IntArrayRef values) {
    code_ += '(';
    for (const int64_t value : values)
      integer(value);
    code_ += 't';
  }

  void little_endian(int64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
      code_ += static_cast<char>(value >> (8 * i));
  }

  std::string code_;
};

}  // namespace

void write_torch_file(OutputFile& output, const NamedTensors& tensors, uint64_t zip64_from) {
  NamedTensors plain;
  uint64_t total = 0;
  for (const auto& [name, tensor] : tensors) {
    plain[name] = tensor.detach().cpu().contiguous();
    total += tensor.nbytes();
  }
  output.expect(total);
  ZipWriter zip(output, zip64_from);
  zip.add("archive/data.pkl", Pickler().dictionary(plain));
  zip.add("archive/byteorder", "little");
  int64_t key = 0;
  for (const auto& [name, tensor] : plain) {
    zip.add("archive/data/" + std::to_string(key++), tensor.const_data_ptr(), tensor.nbytes(), kStorageAlignment);
  }
  zip.add("archive/version", "3\n");
  zip.finish();
}

void write_torch_file(const std::filesystem::path& path, const NamedTensors& tensors) {
  AtomicFile file(path);
  write_torch_file(file.output(), tensors);
  file.commit();
}

}  // namespace plugtune::formats
