// low_rank.cc - low-rank updates of linear, embedding and convolution weights.
#include "plugtune/blocks/low_rank.h"

#include <torch/nn/functional.h>
#include <torch/nn/init.h>

#include <cmath>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

void initialise(const Tensor& a, const LowRankOptions& options) {
  if (options.init == LowRankInit::kGaussian) {
    a.normal_(0.0, 1.0 / static_cast<double>(options.rank));
  } else {
    torch::nn::init::kaiming_uniform_(a, /*a=*/std::sqrt(5.0));
  }
}

// B A in the type of `weight`: a merge in float64 is exact to the last bit of a float32 weight.
Tensor product_like(const Tensor& weight, const Tensor& b, const Tensor& a) {
  return torch::matmul(b.to(weight.options()), a.to(weight.options()));
}

}  // namespace

double low_rank_scale(const LowRankOptions& options) {
  if (options.rank < 1) throw Error("rank: must be at least 1, got " + std::to_string(options.rank));
  const double rank = static_cast<double>(options.rank);
  return options.alpha / (options.rank_stabilized ? std::sqrt(rank) : rank);
}

LowRankLinear::LowRankLinear(int64_t in_features, int64_t out_features, const LowRankOptions& options)
    : options_(options),
      scale_(low_rank_scale(options)) {
  a = register_parameter("a", torch::empty({options.rank, in_features}));
  b = register_parameter("b", torch::empty({out_features, options.rank}));
  reset_parameters();
}
LowRankLinear::~LowRankLinear() = default;

void LowRankLinear::reset_parameters() {
  torch::NoGradGuard no_grad;
  initialise(a, options_);
  b.zero_();
}

Tensor LowRankLinear::add_to(const Tensor& y, const Tensor& x) {
  const bool drops = is_training() && options_.dropout > 0;
  const Tensor down = torch::linear(drops ? torch::dropout(x, options_.dropout, /*train=*/true) : x, a);  // (N, r)
  return torch::addmm(y, down, b.t(), /*beta=*/1, /*alpha=*/scale_);                                      // (N, out)
}

Tensor LowRankLinear::delta() const { return torch::matmul(b, a) * scale_; }

void LowRankLinear::merge(Tensor& weight) const {
  torch::NoGradGuard no_grad;
  weight.add_(product_like(weight, b, a), scale_);
}
void LowRankLinear::unmerge(Tensor& weight) const {
  torch::NoGradGuard no_grad;
  weight.sub_(product_like(weight, b, a), scale_);
}

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
  const Tensor rows = torch::embedding(a.t(), ids);                   // (N, r)
  return torch::addmm(y, rows, b.t(), /*beta=*/1, /*alpha=*/scale_);  // (N, H)
}

Tensor LowRankEmbedding::delta() const { return torch::matmul(b, a).t() * scale_; }

void LowRankEmbedding::merge(Tensor& weight) const {
  torch::NoGradGuard no_grad;
  weight.add_(product_like(weight, b, a).t(), scale_);
}
void LowRankEmbedding::unmerge(Tensor& weight) const {
  torch::NoGradGuard no_grad;
  weight.sub_(product_like(weight, b, a).t(), scale_);
}

LowRankConv2d::LowRankConv2d(int64_t in_channels, int64_t out_channels, int64_t kernel_size, int64_t groups,
                             const LowRankOptions& options)
    : weight_shape_{out_channels, in_channels / groups, kernel_size, kernel_size},
      options_(options),
      scale_(low_rank_scale(options)) {
  const int64_t r = options.rank, k = kernel_size;
  a = register_parameter("a", torch::empty({r * k, in_channels * k}));
  b = register_parameter("b", torch::empty({out_channels / groups * k, r * k}));
  reset_parameters();
}
LowRankConv2d::~LowRankConv2d() = default;

void LowRankConv2d::reset_parameters() {
  torch::NoGradGuard no_grad;
  initialise(a, options_);
  b.zero_();
}

Tensor LowRankConv2d::delta() const { return torch::matmul(b, a).view(weight_shape_) * scale_; }

void LowRankConv2d::merge(Tensor& weight) const {
  torch::NoGradGuard no_grad;
  weight.add_(product_like(weight, b, a).view(weight_shape_), scale_);
}
void LowRankConv2d::unmerge(Tensor& weight) const {
  torch::NoGradGuard no_grad;
  weight.sub_(product_like(weight, b, a).view(weight_shape_), scale_);
}

}  // namespace v1
}  // namespace plugtune
