#pragma once
// precision.h - the type that a model computes in.

#include <torch/nn/module.h>

namespace plugtune::model {

/// Gives the floating-point parameters and buffers of a module, those of modules below it included, new memory in `type`. The parameters
/// stay the same tensors, whoever holds them. Pages that a file lent for the old values are given back.
void convert(torch::nn::Module& module, torch::ScalarType type);

}  // namespace plugtune::model
