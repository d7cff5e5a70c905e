#pragma once
// named_tensors.h - what every container of this layer holds: tensors by name.

#include <torch/types.h>

#include <map>
#include <string>

namespace plugtune::formats {

using torch::Tensor;

/// Tensors by name, in byte order of the names (the order in which they are written).
using NamedTensors = std::map<std::string, Tensor>;

}  // namespace plugtune::formats
