// safetensors_writer.cc - writes the bytes that the reference library writes for the same tensors.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "formats/atomic_file.h"
#include "formats/element_types.h"
#include "formats/safetensors.h"

namespace plugtune::formats {

namespace {

/// Place of the type in kElementTypes: the first key of the order in the file.
size_t rank_of(torch::ScalarType dtype) {
  const auto type =
      std::find_if(kElementTypes.begin(), kElementTypes.end(), [&](const ElementType& t) { return t.dtype == dtype; });
  TORCH_INTERNAL_ASSERT(type != kElementTypes.end(), "safetensors has no element type ", dtype);
  return static_cast<size_t>(type - kElementTypes.begin());
}

/// A JSON string as the reference escapes it: control characters, quotes and backslashes only.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false,
                                   nlohmann::json::error_handler_t::replace);
}

using Item = NamedTensors::value_type;

std::string header_of(const std::vector<const Item*>& items, const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  const auto separate = [&] { header += header.size() > 1 ? "," : ""; };
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      header += fmt::format("{}{}:{}", header.ends_with('{') ? "" : ",", quoted(key), quoted(value));
    }
    header += "}";
  }
  size_t offset = 0;
  for (const Item* item : items) {
    separate();
    const auto& [name, tensor] = *item;
    header += fmt::format(R"({}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", quoted(name),
                          kElementTypes[rank_of(tensor.scalar_type())].name, fmt::join(tensor.sizes(), ","), offset,
                          offset + tensor.nbytes());
    offset += tensor.nbytes();
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');  // the data begin at a multiple of 8
  return header;
}

}  // namespace

void write_safetensors(OutputFile& output, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const Item*> items;
  for (const Item& item : tensors)
    items.push_back(&item);
  std::stable_sort(items.begin(), items.end(), [](const Item* a, const Item* b) {
    return rank_of(a->second.scalar_type()) < rank_of(b->second.scalar_type());
  });

  const std::string header = header_of(items, metadata);
  const uint64_t length = header.size();
  uint64_t total = sizeof(length) + length;
  for (const Item* item : items)
    total += item->second.nbytes();
  output.expect(total);
  output.write(&length, sizeof(length));
  output.write(header);
  for (const Item* item : items) {
    const Tensor plain = item->second.detach().cpu().contiguous();
    output.write(plain.const_data_ptr(), plain.nbytes());
  }
}

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  AtomicFile file(path);
  write_safetensors(file.output(), tensors, metadata);
  file.commit();
}

}  // namespace plugtune::formats
