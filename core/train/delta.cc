// delta.cc - collecting and restoring what training changed.
#include "train/delta.h"

#include "plugtune/error.h"

namespace plugtune::train {
namespace {

std::string shape_text(const Tensor& tensor) {
  std::string text = "(";
  for (int64_t i = 0; i < tensor.dim(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(tensor.size(i));
  return text + ")";
}

}  // namespace

NamedTensors collect_delta(const model::Bert& model) {
  NamedTensors delta;
  for (const auto& [key, parameter] : model.patch_parameters())
    delta.emplace(key, parameter);
  for (const auto& [key, buffer] : model.patch_buffers())
    delta.emplace(key, buffer);
  for (const auto& [name, parameter] : model.own_parameters()) {
    if (model::is_head_parameter(name) || model.trained_base().contains(name)) delta.emplace(name, parameter);
  }
  return delta;
}

void load_delta(model::Bert& model, const NamedTensors& delta, const std::string& subject) {
  copy_tensors(collect_delta(model), delta, subject);
}

void copy_tensors(const NamedTensors& targets, const NamedTensors& delta, const std::string& subject) {
  std::vector<std::string> problems;
  for (const auto& [key, target] : targets) {
    const auto at = delta.find(key);
    if (at == delta.end()) {
      problems.push_back(subject + ": tensor '" + key + "' is missing");
    } else if (at->second.sizes() != target.sizes()) {
      problems.push_back(subject + ": tensor '" + key + "' has shape " + shape_text(at->second) + ", the model needs " +
                         shape_text(target));
    }
  }
  for (const auto& [key, tensor] : delta) {
    if (!targets.contains(key)) {
      problems.push_back(subject + ": tensor '" + key + "' is not part of this model with these strategies");
    }
  }
  if (!problems.empty()) throw Error(problems);

  torch::NoGradGuard no_grad;
  for (const auto& [key, target] : targets)
    target.copy_(delta.at(key));
}

}  // namespace plugtune::train
