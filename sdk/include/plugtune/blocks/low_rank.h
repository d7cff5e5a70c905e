#pragma once
// low_rank.h - the low-rank update s B A of a weight, for linear, embedding and convolution weights.
//
// Hu et al. 2021, arXiv:2106.09685; numbers as in loralib 0.1.2, also after merging and unmerging.

#include <torch/nn/module.h>

#include <vector>

#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

using torch::Tensor;

/// How A starts; B starts at 0.
enum class LowRankInit : int32_t {
  kKaiming = 1,  ///< A ~ kaiming_uniform(a = sqrt 5), as torch.nn.Linear
  kGaussian,     ///< A ~ N(0, 1 / r)
};

/// How a low-rank update is built.
struct PLUGTUNE_API LowRankOptions {
  int64_t rank = 8;                          ///< r, at least 1
  double alpha = 16;                         ///< s = alpha / rank
  bool rank_stabilized = false;              ///< s = alpha / sqrt(rank): Kalajdzievski 2023, arXiv:2312.03732
  double dropout = 0.0;                      ///< of the update's input; an embedding has none
  LowRankInit init = LowRankInit::kKaiming;  ///< of a linear or convolution update; an embedding has its own
};

/// s as a number. Throws Error when rank < 1.
PLUGTUNE_API double low_rank_scale(const LowRankOptions& options);

/// s B A drop(x) beside y = W x.  A (r, in) by `init`, B (out, r) = 0: nothing at the start.
class PLUGTUNE_API LowRankLinear : public torch::nn::Module {
 public:
  /// Makes and initialises A and B, drawing from torch's generator. Throws Error when the rank is below 1.
  LowRankLinear(int64_t in_features, int64_t out_features, const LowRankOptions& options);
  ~LowRankLinear() override;
  /// As newly made.
  void reset_parameters();
  /// x (N, in), y = W x + b (N, out) -> y + s B A drop(x).  (N, out)
  Tensor add_to(const Tensor& y, const Tensor& x);
  /// s B A.  (out, in)
  Tensor delta() const;
  /// weight (out, in) += s B A, computed in the type of `weight`; unmerge takes it away again. No gradients.
  void merge(Tensor& weight) const;
  /// Takes away what merge() added.
  void unmerge(Tensor& weight) const;
  Tensor a;  ///< (r, in)
  Tensor b;  ///< (out, r)
  /// s.
  double scale() const noexcept { return scale_; }

 private:
  LowRankOptions options_;
  double scale_;
};

/// s (A^T)[ids] B^T beside E[ids].  A (r, V) = 0, B (H, r) ~ N(0, 1): nothing at the start.
class PLUGTUNE_API LowRankEmbedding : public torch::nn::Module {
 public:
  /// Makes and initialises A and B, drawing from torch's generator. Throws Error when the rank is below 1.
  LowRankEmbedding(int64_t words, int64_t hidden_size, const LowRankOptions& options);
  ~LowRankEmbedding() override;
  /// As newly made.
  void reset_parameters();
  /// ids (N) int64, y = E[ids] (N, H) -> (N, H)
  Tensor add_to(const Tensor& y, const Tensor& ids) const;
  /// s (B A)^T.  (V, H)
  Tensor delta() const;
  /// weight (V, H) += s (B A)^T, computed in the type of `weight`; unmerge takes it away again. No gradients.
  void merge(Tensor& weight) const;
  /// Takes away what merge() added.
  void unmerge(Tensor& weight) const;
  Tensor a;  ///< (r, V)
  Tensor b;  ///< (H, r)
  /// s.
  double scale() const noexcept { return scale_; }

 private:
  double scale_;
};

/// s (B A).view_as(W) on a convolution weight W (out, in / groups, k, k).  A (r k, in k) by `init`, B (out / groups k, r k) = 0.
class PLUGTUNE_API LowRankConv2d : public torch::nn::Module {
 public:
  /// Makes and initialises A and B, drawing from torch's generator. Throws Error when the rank is below 1.
  LowRankConv2d(int64_t in_channels, int64_t out_channels, int64_t kernel_size, int64_t groups,
                const LowRankOptions& options);
  ~LowRankConv2d() override;
  /// As newly made.
  void reset_parameters();
  /// What to add to the weight: conv2d(x, W + delta()).  (out, in / groups, k, k)
  Tensor delta() const;
  /// weight (out, in / groups, k, k) += delta(), computed in the type of `weight`; unmerge takes it away again. No gradients.
  void merge(Tensor& weight) const;
  /// Takes away what merge() added.
  void unmerge(Tensor& weight) const;
  Tensor a;  ///< (r k, in k)
  Tensor b;  ///< (out / groups k, r k)
  /// s.
  double scale() const noexcept { return scale_; }

 private:
  std::vector<int64_t> weight_shape_;
  LowRankOptions options_;
  double scale_;
};

}  // namespace v1
}  // namespace plugtune
