// tensor_files.cc - the weight file of a foreign directory, and checks that all of its readers share.
#include "exchange/tensor_files.h"

#include <fmt/format.h>

#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "plugtune/error.h"

namespace plugtune::exchange {

TensorFile read_tensor_file(const std::filesystem::path& directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::filesystem::path path = directory / name;
    if (!std::filesystem::exists(path)) continue;
    if (name.ends_with(".safetensors")) return {path.string(), formats::SafetensorsFile::open(path).tensors()};
    return {path.string(), formats::read_torch_file(path)};
  }
  throw Error(fmt::format("{}: has no weights; expected {}", directory.string(), join(names, " or ")));
}

std::string without_prefix(const std::string& text, const std::string& prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

void check_head(const ForeignFiles& files, const std::string& subject) {
  const formats::NamedTensors& head = files.head;
  const auto one_of_two = [&](const std::string& weight, const std::string& bias) {
    if (head.contains(weight) == head.contains(bias)) return;
    const bool has_weight = head.contains(weight);
    throw Error(fmt::format("{}: has '{}' of the head, but no '{}'", subject, has_weight ? weight : bias,
                            has_weight ? bias : weight));
  };
  one_of_two("classifier.weight", "classifier.bias");
  one_of_two("pooler.dense.weight", "pooler.dense.bias");
  if (!head.contains("classifier.weight")) return;
  const Tensor &weight = head.at("classifier.weight"), &bias = head.at("classifier.bias");
  if (weight.dim() != 2 || bias.dim() != 1 || weight.size(0) != bias.size(0) || weight.size(0) == 0) {
    throw Error(fmt::format("{}: the head's weight and bias must have shapes (labels, hidden) and (labels)", subject));
  }
}

}  // namespace plugtune::exchange
