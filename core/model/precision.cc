// precision.cc - converting a model in place.
#include "model/precision.h"

#include "formats/mapped_file.h"

namespace plugtune::model {

void convert(torch::nn::Module& module, torch::ScalarType type) {
  const torch::NoGradGuard no_grad;
  const auto one = [&](torch::Tensor tensor) {
    if (!tensor.is_floating_point() || tensor.scalar_type() == type) return;
    const torch::Tensor before = tensor.detach();
    tensor.set_data(before.to(type));
    formats::MappedFile::give_back_last(before);
  };
  for (const torch::Tensor& parameter : module.parameters())
    one(parameter);
  for (const torch::Tensor& buffer : module.buffers())
    one(buffer);
}

}  // namespace plugtune::model
