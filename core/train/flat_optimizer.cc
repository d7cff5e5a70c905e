// flat_optimizer.cc - flat buffers, clipping and AdamW.
#include "train/flat_optimizer.h"

#include <ATen/record_function.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "formats/mapped_file.h"
#include "model/span_cost.h"
#include "plugtune/error.h"

namespace plugtune::train {

bool decays(const std::string& name) {
  // A patch of a junction sits below the model's LayerNorm without being one: only what follows the site's name counts.
  constexpr std::string_view kSite = "LayerNorm.";
  const size_t site = name.rfind(kSite);
  const std::string_view own = site == std::string::npos ? name : std::string_view(name).substr(site + kSite.size());
  if (site != std::string::npos && own.find('.') == std::string_view::npos) return false;
  return own.find("bias") == std::string_view::npos && own.find("norm") == std::string_view::npos;
}

FlatOptimizer::FlatOptimizer(const std::vector<std::pair<std::string, Tensor>>& trainables,
                             const TrainSettings& settings, const std::function<ParamRule(const std::string&)>& rule)
    : beta1_(settings.beta1),
      beta2_(settings.beta2),
      epsilon_(settings.epsilon) {
  TORCH_CHECK(!trainables.empty(), "FlatOptimizer: nothing to train");
  int64_t size = 0;
  for (const auto& [name, tensor] : trainables) {
    names_.push_back(name);
    shapes_.push_back(tensor.sizes().vec());
    offsets_.push_back(size);
    const ParamRule own = rule(name);
    const double decay = decays(name) ? own.weight_decay.value_or(settings.weight_decay) : 0.0;
    const double rate = settings.learning_rate * own.learning_rate_scale;
    if (!segments_.empty() && segments_.back().learning_rate == rate && segments_.back().weight_decay == decay) {
      segments_.back().end = size + tensor.numel();
    } else {
      segments_.push_back({size, size + tensor.numel(), rate, decay});
    }
    size += tensor.numel();
  }

  const auto options = torch::TensorOptions().device(trainables.front().second.device()).dtype(torch::kFloat32);
  parameters_ = torch::empty({size}, options);
  gradients_ = torch::zeros({size}, options);
  exp_avg_ = torch::zeros({size}, options);
  exp_avg_sq_ = torch::zeros({size}, options);
  if (settings.precision == Precision::kBf16)
    rounded_parameters_ = torch::empty({size}, options.dtype(torch::kBFloat16));
  torch::NoGradGuard no_grad;
  const bool rounded = rounded_parameters_.defined();
  for (size_t i = 0; i < trainables.size(); ++i) {
    Tensor tensor = trainables[i].second;
    view(parameters_, i).copy_(tensor);
    if (rounded) view(rounded_parameters_, i).copy_(tensor);
    const Tensor before = tensor.detach();
    tensor.set_data(view(rounded ? rounded_parameters_ : parameters_, i));
    formats::MappedFile::give_back_last(before);
    // fp32 in bf16 too: autograd adds each rounded gradient to it, and kernels::linear() sums that were never rounded.
    tensor.mutable_grad() = view(gradients_, i);
  }
}

Tensor FlatOptimizer::view(const Tensor& buffer, size_t index) const {
  int64_t numel = 1;
  for (const int64_t extent : shapes_[index])
    numel *= extent;
  return buffer.narrow(0, offsets_[index], numel).view(shapes_[index]);
}

double FlatOptimizer::grad_norm() const {
  RECORD_USER_SCOPE_WITH_INPUTS(model::kNormSpan, std::vector<c10::IValue>{gradients_});
  return std::sqrt(kernels::sum_of_squares(gradients_));
}

void FlatOptimizer::step(double schedule_factor, double grad_scale) {
  RECORD_USER_SCOPE_WITH_INPUTS(model::kUpdateSpan, std::vector<c10::IValue>{gradients_});
  torch::NoGradGuard no_grad;
  std::vector<kernels::AdamWSegment> segments = segments_;
  for (auto& segment : segments)
    segment.learning_rate *= schedule_factor;
  kernels::adamw(parameters_, gradients_, exp_avg_, exp_avg_sq_, segments, beta1_, beta2_, epsilon_, ++steps_,
                 grad_scale, rounded_parameters_.defined() ? &rounded_parameters_ : nullptr);
}

void FlatOptimizer::zero_grad() {
  RECORD_USER_SCOPE_WITH_INPUTS(model::kZeroSpan, std::vector<c10::IValue>{gradients_});
  torch::NoGradGuard no_grad;
  gradients_.zero_();
}

void FlatOptimizer::take_changes() {
  if (!rounded_parameters_.defined()) return;
  torch::NoGradGuard no_grad;
  const Tensor changed = parameters_.to(torch::kBFloat16).ne(rounded_parameters_);
  parameters_.copy_(torch::where(changed, rounded_parameters_.to(torch::kFloat32), parameters_));
}

int64_t FlatOptimizer::bytes() const noexcept {
  const int64_t buffers = rounded_parameters_.defined() ? 4 : 3;
  return buffers * size() * static_cast<int64_t>(sizeof(float));
}

Tensor FlatOptimizer::master(const std::string& name) const {
  const auto at = std::find(names_.begin(), names_.end(), name);
  return at == names_.end() ? Tensor() : view(parameters_, static_cast<size_t>(at - names_.begin()));
}

size_t FlatOptimizer::index_of(const std::string& name) const {
  const auto at = std::find(names_.begin(), names_.end(), name);
  TORCH_CHECK(at != names_.end(), "FlatOptimizer: no trainable named ", name);
  return static_cast<size_t>(at - names_.begin());
}

Tensor FlatOptimizer::gradient(const std::string& name) const { return view(gradients_, index_of(name)); }

double FlatOptimizer::decay_of(const std::string& name, double factor) const {
  const int64_t begin = offsets_[index_of(name)];
  const auto segment = std::ranges::find_if(segments_, [&](const auto& one) { return begin < one.end; });
  return 1 - factor * segment->learning_rate * segment->weight_decay;
}

formats::NamedTensors FlatOptimizer::state() const {
  return {{"parameters", parameters_}, {"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}};
}

void FlatOptimizer::load_state(const formats::NamedTensors& state, int64_t steps, const std::string& subject) {
  torch::NoGradGuard no_grad;
  for (const auto& [name, target] : this->state()) {
    const auto at = state.find(name);
    if (at == state.end()) throw Error(subject + ": tensor '" + name + "' is missing");
    if (at->second.numel() != target.numel()) {
      throw Error(subject + ": tensor '" + name + "' has " + std::to_string(at->second.numel()) +
                  " numbers, this experiment trains " + std::to_string(target.numel()));
    }
    target.copy_(at->second);
  }
  if (rounded_parameters_.defined()) rounded_parameters_.copy_(parameters_);
  steps_ = steps;
}

}  // namespace plugtune::train
