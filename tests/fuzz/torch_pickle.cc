// torch_pickle.cc - fuzz target: files of torch.save, zip and legacy; every element of an accepted tensor can be read.
#include "formats/torch_pickle.h"

#include <cstring>

#include "fuzz/fuzz.h"

using namespace plugtune;

namespace {

// A stride of 0 makes 16 million elements out of 4 bytes, which is allowed and takes long to add up.
constexpr int64_t kMostElements = 1 << 16;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto path = fuzz::file("x.bin", fuzz::text(data, size));
  formats::NamedTensors tensors;
  if (!fuzz::accepted([&] { tensors = formats::read_torch_file(path); })) return 0;

  formats::NamedTensors small;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.numel() <= kMostElements) small.emplace(name, tensor.clone());  // reads each element
  }
  const auto copy = fuzz::folder() / "copy.bin";
  fuzz::must_succeed("a file that was read is written and read", [&] {
    formats::write_torch_file(copy, small);
    const formats::NamedTensors again = formats::read_torch_file(copy);
    fuzz::require(again.size() == small.size(), "no tensor is lost");
    for (const auto& [name, tensor] : small) {
      const torch::Tensor& other = again.at(name);
      fuzz::require(other.sizes() == tensor.sizes() && other.scalar_type() == tensor.scalar_type(),
                    "shape and type stay");
      const torch::Tensor flat = tensor.contiguous();
      const auto bytes = static_cast<size_t>(flat.numel()) * flat.element_size();
      const bool equal = bytes == 0 || std::memcmp(other.contiguous().data_ptr(), flat.data_ptr(), bytes) == 0;
      fuzz::require(equal, "numbers stay");
    }
  });
  return 0;
}
