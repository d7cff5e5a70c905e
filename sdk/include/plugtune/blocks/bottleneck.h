#pragma once
// bottleneck.h - down-projection, activation, up-projection: the block of all bottleneck adapters.
//
// Houlsby 2019, Pfeiffer 2020, He 2021; numbers and initialisation as in AdapterHub's library 1.3.0.

#include <torch/nn/module.h>

#include <functional>
#include <string>
#include <vector>

#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

using torch::Tensor;

/// An activation by name, as transformers and AdapterHub's library name them: relu, gelu, gelu_new, swish (silu), tanh,
/// leakyrelu, ... Throws Error when there is none of that name.
PLUGTUNE_API std::function<Tensor(const Tensor&)> activation(const std::string& name);
PLUGTUNE_API const std::vector<std::string>& activation_names();

enum class BottleneckInit : int32_t {
  kBert = 1,  ///< weights N(0, 0.02), biases 0: not the identity at the start
  kMam,       ///< down kaiming_uniform(a = sqrt 5), up 0, biases 0
  kHoulsby,   ///< weights truncated N(0, 0.01) cut at 0.02, biases 0
};

enum class Scaling : int32_t {
  kFixed = 1,
  kLearned,  ///< one factor
  kChannel,  ///< one factor for each of H
};

struct PLUGTUNE_API BottleneckOptions {
  int64_t hidden_size = 0;  ///< H
  int64_t width = 0;        ///< bottleneck_width(H, reduction_factor)
  std::string activation = "relu";
  BottleneckInit init = BottleneckInit::kBert;
  Scaling scaling_kind = Scaling::kFixed;
  double scaling = 1.0;  ///< the fixed factor; learned factors start at 1
  double dropout = 0.0;
};

/// f(z) = drop(scaling * (U act(D z + b_d) + b_u)).  (N, H) -> (N, H)
class PLUGTUNE_API Bottleneck : public torch::nn::Module {
 public:
  explicit Bottleneck(const BottleneckOptions& options);
  ~Bottleneck() override;
  void reset_parameters();
  Tensor forward(const Tensor& z);
  /// f(z) before its dropout.
  Tensor update(const Tensor& z) const;
  /// What forward() does to update().
  Tensor drop(const Tensor& update) const;
  Tensor down_weight;  ///< (width, H)
  Tensor down_bias;    ///< (width)
  Tensor up_weight;    ///< (H, width)
  Tensor up_bias;      ///< (H)
  Tensor scaling;      ///< (1) or (H) when learned, else undefined

 private:
  BottleneckOptions options_;
  std::function<Tensor(const Tensor&)> activation_;
};

/// max(1, floor(hidden_size / reduction_factor)).
PLUGTUNE_API int64_t bottleneck_width(int64_t hidden_size, double reduction_factor);

}  // namespace v1
}  // namespace plugtune
