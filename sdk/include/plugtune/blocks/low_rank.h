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

struct PLUGTUNE_API LowRankOptions {
  int64_t rank = 8;
  double alpha = 16;             ///< s = alpha / rank
  bool rank_stabilized = false;  ///< s = alpha / sqrt(rank): Kalajdzievski 2023, arXiv:2312.03732
  double dropout = 0.0;          ///< of the update's input
};

/// s as a number. Throws Error when rank < 1.
PLUGTUNE_API double low_rank_scale(const LowRankOptions& options);

/// s B A drop(x) beside y = W x.  A (r, in) ~ kaiming_uniform(a = sqrt 5), B (out, r) = 0: nothing at the start.
class PLUGTUNE_API LowRankLinear : public torch::nn::Module {
 public:
  LowRankLinear(int64_t in_features, int64_t out_features, const LowRankOptions& options);
  ~LowRankLinear() override;
  void reset_parameters();
  /// x (N, in), y = W x + b (N, out) -> y + s B A drop(x).  (N, out)
  Tensor add_to(const Tensor& y, const Tensor& x);
  /// s B A in the type of B.  (out, in)
  Tensor delta() const;
  Tensor a;  ///< (r, in)
  Tensor b;  ///< (out, r)
  double scale() const noexcept { return scale_; }

 private:
  double scale_, dropout_;
};

/// s (A^T)[ids] B^T beside E[ids].  A (r, V) = 0, B (H, r) ~ N(0, 1).
class PLUGTUNE_API LowRankEmbedding : public torch::nn::Module {
 public:
  LowRankEmbedding(int64_t words, int64_t hidden_size, const LowRankOptions& options);
  ~LowRankEmbedding() override;
  void reset_parameters();
  /// ids (N) int64, y = E[ids] (N, H) -> (N, H)
  Tensor add_to(const Tensor& y, const Tensor& ids) const;
  /// s (B A)^T.  (V, H)
  Tensor delta() const;
  Tensor a;  ///< (r, V)
  Tensor b;  ///< (H, r)
  double scale() const noexcept { return scale_; }

 private:
  double scale_;
};

/// s (B A).view_as(W) on a convolution weight W (out, in / groups, k, k).  A (r k, in k), B (out / groups k, r k).
class PLUGTUNE_API LowRankConv2d : public torch::nn::Module {
 public:
  LowRankConv2d(int64_t in_channels, int64_t out_channels, int64_t kernel_size, int64_t groups,
                const LowRankOptions& options);
  ~LowRankConv2d() override;
  void reset_parameters();
  /// (out, in / groups, k, k)
  Tensor delta() const;
  Tensor a, b;
  double scale() const noexcept { return scale_; }

 private:
  std::vector<int64_t> weight_shape_;
  double scale_;
};

}  // namespace v1
}  // namespace plugtune
