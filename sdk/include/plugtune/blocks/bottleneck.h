#pragma once
// bottleneck.h - down-projection, activation, up-projection: the block of all bottleneck adapters.
//
// Houlsby 2019, Pfeiffer 2020, He 2021; with projections of few parameters: Compacter (Mahabadi 2021). Numbers and
// initialisation as in AdapterHub's library 1.3.0.

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
/// Every name that activation() knows; lives as long as the program.
PLUGTUNE_API const std::vector<std::string>& activation_names();

/// How a Bottleneck's parameters start.
enum class BottleneckInit : int32_t {
  kBert = 1,  ///< weights N(0, 0.02), biases 0: not the identity at the start
  kMam,       ///< down kaiming_uniform(a = sqrt 5), up 0, biases 0
  kHoulsby,   ///< weights truncated N(0, 0.01) cut at 0.02, biases 0
};

/// How the update is scaled.
enum class Scaling : int32_t {
  kFixed = 1,  ///< a number that does not train
  kLearned,    ///< one factor
  kChannel,    ///< one factor for each of H
};

/// How a projection is parametrised as a sum of n Kronecker products (PHM: parametrised hypercomplex multiplication):
///
///   y = x sum_k A_k (x) (L_k R_k) + b,   A (n, n, n) the rule,   L_k R_k of `rank`
struct PLUGTUNE_API PhmOptions {
  int64_t dim = 0;               ///< n; 0: plain weights. Divides H and the width
  int64_t rank = 1;              ///< of L_k R_k
  bool uniform_rule = false;     ///< the rule starts uniform in [-1, 1), else N(0, rule_deviation)
  double rule_deviation = 1e-4;  ///< standard deviation of a rule that starts normal
  bool learn_rule = true;        ///< false: the rule stays as it started
  Tensor rule;                   ///< another block's, which owns it; undefined: the block makes one and owns it
};

/// How a Bottleneck is built.
struct PLUGTUNE_API BottleneckOptions {
  int64_t hidden_size = 0;                      ///< H
  int64_t width = 0;                            ///< bottleneck_width(H, reduction_factor)
  std::string activation = "relu";              ///< one of activation_names()
  BottleneckInit init = BottleneckInit::kBert;  ///< of weights and biases
  Scaling scaling_kind = Scaling::kFixed;       ///< whether the factor is learned
  double scaling = 1.0;                         ///< the fixed factor; learned factors start at 1
  double dropout = 0.0;                         ///< of the update, in training
  PhmOptions phm{};                             ///< how the projections are parametrised; dim 0: plain weights
};

/// f(z) = drop(scaling * (U act(D z + b_d) + b_u)).  (N, H) -> (N, H)
class PLUGTUNE_API Bottleneck : public torch::nn::Module {
 public:
  /// Makes and initialises the parameters, drawing from torch's generator. Throws Error for an activation of no such name.
  explicit Bottleneck(const BottleneckOptions& options);
  ~Bottleneck() override;
  /// As newly made.
  void reset_parameters();
  /// drop(update(z)).  (N, H) -> (N, H)
  Tensor forward(const Tensor& z);
  /// f(z) before its dropout.
  Tensor update(const Tensor& z) const;
  /// What forward() does to update().
  Tensor drop(const Tensor& update) const;
  Tensor down_weight;  ///< (width, H); undefined with PHM
  /// With PHM: L (n, H / n, rank).
  Tensor down_left, down_right;  ///< with PHM: R (n, rank, width / n)
  Tensor down_bias;              ///< (width)
  Tensor up_weight;              ///< (H, width); undefined with PHM
  /// With PHM: L (n, width / n, rank).
  Tensor up_left, up_right;  ///< with PHM: R (n, rank, H / n)
  Tensor up_bias;            ///< (H)
  Tensor phm_rule;           ///< PHM: A (n, n, n); registered where it is owned, so it is saved once
  Tensor scaling;            ///< (1) or (H) when learned, else undefined

 private:
  void register_phm();
  void reset_phm();
  // x times the sum of Kronecker products, plus the bias.
  Tensor project(const Tensor& x, const Tensor& left, const Tensor& right, const Tensor& bias) const;

  BottleneckOptions options_;
  std::function<Tensor(const Tensor&)> activation_;
};

/// floor(hidden_size / reduction_factor) rounded down to a multiple of `multiple_of`, and at least that.
PLUGTUNE_API int64_t bottleneck_width(int64_t hidden_size, double reduction_factor, int64_t multiple_of = 1);

}  // namespace v1
}  // namespace plugtune
