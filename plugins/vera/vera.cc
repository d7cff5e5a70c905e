// vera.cc - Two small vectors a layer around random matrices that all layers share:
//   y = W x + b + lambda_b * (B (lambda_d * (A drop(x)))).
//
// Kopiczko et al. 2023, arXiv:2310.11454; numbers as in peft 0.21: every layer takes the first columns of A and the first rows of B
// that it needs.
#include <algorithm>
#include <cmath>

#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigView;
using plugtune::LinearNext;
using plugtune::LinearSite;
using torch::Tensor;

/// What all layers share and nothing trains.
struct Projection {
  Tensor a;  // (r, the widest input)
  Tensor b;  // (the widest output, r)
};

/// Uniform with the bound of torch.nn.Linear's weights: sqrt(1 / fan_in) sqrt(3) sqrt(1 / 3).
Tensor random_matrix(int64_t rows, int64_t columns) {
  const double bound = 1 / std::sqrt(static_cast<double>(columns));
  return torch::empty({rows, columns}).uniform_(-bound, bound);
}

class VeraPatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  /// @param owns  the projection's matrices are among this patch's buffers, and so in the delta once
  VeraPatch(const LinearSite& site, const Projection& projection, bool owns, double start, double dropout)
      : in_(site.in_features()),
        out_(site.out_features()),
        dropout_(dropout),
        projection_(projection) {
    lambda_d_ = register_parameter("lambda_d", torch::full({projection.a.size(0)}, start));
    lambda_b_ = register_parameter("lambda_b", torch::zeros({out_}));
    if (!owns) return;
    register_buffer("a", projection_.a);
    register_buffer("b", projection_.b);
  }

  Tensor forward(const Tensor& x, const LinearNext& next) override {
    const Tensor inner = torch::linear(torch::dropout(x, dropout_, is_training()), a()) * lambda_d_;  // (N, r)
    return next(x) + torch::linear(inner, b()) * lambda_b_;                                           // (N, out)
  }
  void fold(Tensor& weight, Tensor&) const override {
    const auto in_type = [&](const Tensor& tensor) { return tensor.to(weight.scalar_type()); };
    const Tensor update = torch::matmul(in_type(b()) * in_type(lambda_d_), in_type(a()));
    weight += in_type(lambda_b_).unsqueeze(1) * update;
  }

 private:
  Tensor a() const { return projection_.a.narrow(1, 0, in_); }
  Tensor b() const { return projection_.b.narrow(0, 0, out_); }

  int64_t in_, out_;
  double dropout_;
  Projection projection_;
  Tensor lambda_d_;  // (r)
  Tensor lambda_b_;  // (out)
};

class Vera final : public plugtune::Strategy {
 public:
  explicit Vera(const ConfigView& config)
      : targets_(config.selector({"query", "value"})),
        name_(config.string("name", "vera")),
        rank_(config.integer("rank", 256, /*min=*/1)),
        start_(config.number("d_initial", 0.1)),
        dropout_(config.number("dropout", 0, 0, 0.999999)) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    const std::vector<LinearSite*> sites = model.linears(targets_);
    int64_t in = 0, out = 0;
    for (const LinearSite* site : sites) {
      in = std::max(in, site->in_features());
      out = std::max(out, site->out_features());
    }
    const Projection projection{random_matrix(rank_, in), random_matrix(out, rank_)};
    for (LinearSite* site : sites)
      site->attach(name_, std::make_shared<VeraPatch>(*site, projection, site == sites.front(), start_, dropout_));
  }

 private:
  plugtune::Selector targets_;
  std::string name_;
  int64_t rank_;
  double start_, dropout_;
};

}  // namespace

PLUGTUNE_STRATEGY(Vera, "vera", "1.0.0", "learned vectors around random matrices that all layers share", 0)
