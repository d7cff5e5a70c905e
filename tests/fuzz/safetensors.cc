// safetensors.cc - fuzz target: what is accepted is there in full, and written again it is the same.
#include "formats/safetensors.h"

#include <cstring>

#include "fuzz/fuzz.h"

using namespace plugtune;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto path = fuzz::file("x.safetensors", fuzz::text(data, size));
  formats::NamedTensors tensors;
  std::map<std::string, std::string> metadata;
  const bool accepted = fuzz::accepted([&] {
    const auto file = formats::SafetensorsFile::open(path);
    tensors = file.tensors();
    metadata = file.metadata();
  });
  if (!accepted) return 0;

  const auto copy = fuzz::folder() / "copy.safetensors";
  fuzz::must_succeed("a file that was read is written and read", [&] {
    formats::write_safetensors(copy, tensors, metadata);
    const auto again = formats::SafetensorsFile::open(copy);
    fuzz::require(again.metadata() == metadata, "metadata stays");
    fuzz::require(again.names().size() == tensors.size(), "no tensor is lost");
    for (const auto& [name, tensor] : tensors) {
      const torch::Tensor other = again.tensor(name);
      fuzz::require(other.sizes() == tensor.sizes() && other.scalar_type() == tensor.scalar_type(),
                    "shape and type stay");
      const auto bytes = static_cast<size_t>(tensor.numel()) * tensor.element_size();
      const bool equal = bytes == 0 || std::memcmp(other.data_ptr(), tensor.data_ptr(), bytes) == 0;
      fuzz::require(equal, "numbers stay");
    }
  });
  return 0;
}
