#pragma once
// flat_optimizer.h - AdamW over one flat buffer that holds every trainable tensor.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "formats/named_tensors.h"
#include "kernels/optimizer.h"
#include "plugtune/capability.h"
#include "train/settings.h"

namespace plugtune::train {

/// Weight decay leaves out biases and LayerNorms, as transformers' Trainer does.
/// @param name  of a base parameter or of a patch's (`<site path>.<patch>.<parameter>`)
bool decays(const std::string& name);

/// Owns parameters, gradients and moments of everything that trains, each in one contiguous fp32 buffer; the model's tensors
/// become views of it (in bf16: of a rounded copy, the buffer keeps the fp32 masters), their `grad` of the gradients.
/// Loshchilov & Hutter 2019, as torch.optim.AdamW.
class FlatOptimizer {
 public:
  /// @param trainables  leaf tensors that require gradients; their storage is replaced.
  /// @param rule        rate and decay of each, by name.
  FlatOptimizer(const std::vector<std::pair<std::string, Tensor>>& trainables, const TrainSettings& settings,
                const std::function<ParamRule(const std::string&)>& rule);

  /// Global L2 norm of the gradients.
  double grad_norm() const;
  /// One AdamW step with the given factor of the learning rate; gradients are multiplied by `grad_scale` (clipping) on the way.
  void step(double schedule_factor, double grad_scale);
  void zero_grad();
  /// In bf16: what was changed in the model's rounded copies since the last step becomes the masters' value; elsewhere they
  /// stay unrounded. In fp32 the model has the masters themselves.
  void take_changes();

  int64_t steps_done() const noexcept { return steps_; }
  int64_t size() const noexcept { return parameters_.numel(); }

  /// All gradients, (size()) fp32: the buffer itself.
  const Tensor& gradients() const noexcept { return gradients_; }
  /// Of masters, gradients and moments, without what the model has of them.
  int64_t bytes() const noexcept;

  /// The fp32 values of one trainable; undefined if it is not one.
  Tensor master(const std::string& name) const;
  /// The gradient of one trainable (fp32), as a view.
  Tensor gradient(const std::string& name) const;
  const std::vector<std::string>& names() const noexcept { return names_; }
  /// What a step with this factor of the learning rate multiplies the values of one trainable by, whatever its gradient.
  double decay_of(const std::string& name, double factor) const;

  /// "parameters", "exp_avg", "exp_avg_sq": (size()) fp32 each.
  formats::NamedTensors state() const;
  /// Throws Error if a tensor is missing or has another size.
  void load_state(const formats::NamedTensors& state, int64_t steps, const std::string& subject);

 private:
  Tensor view(const Tensor& buffer, size_t index) const;
  size_t index_of(const std::string& name) const;

  std::vector<std::string> names_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<int64_t> offsets_;
  std::vector<kernels::AdamWSegment> segments_;  // learning rates before the schedule
  Tensor parameters_, gradients_, exp_avg_, exp_avg_sq_;
  Tensor rounded_parameters_;  // bf16 only
  double beta1_, beta2_, epsilon_;
  int64_t steps_ = 0;
};

}  // namespace plugtune::train
