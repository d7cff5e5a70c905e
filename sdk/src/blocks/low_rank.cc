// low_rank.cc - low-rank updates of linear, embedding and convolution weights.
#include "plugtune/blocks/low_rank.h"

#include <torch/nn/functional.h>
#include <torch/nn/init.h>

#include <cmath>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

void kaiming_uniform(const Tensor& weight) { torch::nn::init::kaiming_uniform_(weight, /*a=*/std::sqrt(5.0)); }

}  // namespace

double low_rank_scale(const LowRankOptions& options) {
  if (options.rank < 1) throw Error("rank: must be at least 1, got " + std::to_string(options.rank));
  const double rank = static_cast<double>(options.rank);
  return options.alpha / (options.rank_stabilized ? std::sqrt(rank) : rank);
}

LowRankLinear::LowRankLinear(int64_t in_features, int64_t out_features, const LowRankOptions& options)
    : scale_(low_rank_scale(options)),
      dropout_(options.dropout) {
  a = register_parameter("a", torch::empty({options.rank, in_features}));
  b = register_parameter("b", torch::empty({out_features, options.rank}));
  reset_parameters();
}
LowRankLinear::~LowRankLinear() = default;

void LowRankLinear::reset_parameters() {
  torch::NoGradGuard no_grad;
  kaiming_uniform(a);
  b.zero_();
}

Tensor LowRankLinear::add_to(const Tensor& y, const Tensor& x) {
  const Tensor dropped = is_training() && dropout_ > 0 ? torch::dropout(x, dropout_, /*train=*/true) : x;
  const Tensor down = torch::linear(dropped, a);  // (N, r)
  return torch::addmm(y, down, b.t(), /*beta=*/1, /*alpha=*/scale_);
}

Tensor LowRankLinear::delta() const { return torch::matmul(b, a) * scale_; }

LowRankEmbedding::LowRankEmbedding(int64_t words, int64_t hidden_size, const LowRankOptions& options)
    : scale_(low_rank_scale(options)) {
  a = register_parameter("a", torch::empty({options.rank, words}));
  b = register_parameter("b", torch::empty({hidden_size, options.rank}));
  reset_parameters();
}
LowRankEmbedding::~LowRankEmbedding() = default;

void LowRankEmbedding::reset_parameters() {
  torch::NoGradGuard no_grad;
  a.zero_();
  b.normal_();
}

Tensor LowRankEmbedding::add_to(const Tensor& y, const Tensor& ids) const {
  const Tensor rows = a.index_select(1, ids).t();  // (N, r)
  return torch::addmm(y, rows, b.t(), /*beta=*/1, /*alpha=*/scale_);
}

Tensor LowRankEmbedding::delta() const { return torch::matmul(b, a).t() * scale_; }

LowRankConv2d::LowRankConv2d(int64_t in_channels, int64_t out_channels, int64_t kernel_size, int64_t groups,
                             const LowRankOptions& options)
    : weight_shape_{out_channels, in_channels / groups, kernel_size, kernel_size},
      scale_(low_rank_scale(options)) {
  const int64_t r = options.rank, k = kernel_size;
  a = register_parameter("a", torch::empty({r * k, in_channels * k}));
  b = register_parameter("b", torch::empty({out_channels / groups * k, r * k}));
  reset_parameters();
}
LowRankConv2d::~LowRankConv2d() = default;

void LowRankConv2d::reset_parameters() {
  torch::NoGradGuard no_grad;
  kaiming_uniform(a);
  b.zero_();
}

Tensor LowRankConv2d::delta() const { return torch::matmul(b, a).view(weight_shape_) * scale_; }

}  // namespace v1
}  // namespace plugtune
