// loha.cc - The product, element by element, of two low-rank updates: y = (W + s (A1 B1) * (A2 B2)) x + b, s = alpha / r.
//
// FedPara: Hyeon-Woo et al. 2021, arXiv:2108.06098. Numbers as in peft 0.21 (LoHa of LyCORIS). The update has rank r^2 with the
// numbers of a LoRA of rank 2 r.
#include <cmath>

#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigView;
using plugtune::LinearNext;
using plugtune::LinearSite;
using torch::Tensor;

class LohaPatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  LohaPatch(const LinearSite& site, int64_t rank, double scale) : scale_(scale) {
    // Uniform as torch.nn.Linear's weights; one factor is zero, and so is the update at the start.
    const auto factor = [&](const char* name, int64_t rows, int64_t columns) {
      const double bound = 1 / std::sqrt(static_cast<double>(columns));
      return register_parameter(name, torch::empty({rows, columns}).uniform_(-bound, bound));
    };
    a1_ = factor("a1", site.out_features(), rank);
    b1_ = factor("b1", rank, site.in_features());
    a2_ = factor("a2", site.out_features(), rank);
    b2_ = register_parameter("b2", torch::zeros({rank, site.in_features()}));
  }

  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x) + torch::linear(x, update()); }
  void fold(Tensor& weight, Tensor&) const override {
    const auto product = [&](const Tensor& a, const Tensor& b) {
      return torch::matmul(a.to(weight.scalar_type()), b.to(weight.scalar_type()));
    };
    weight += scale_ * product(a1_, b1_) * product(a2_, b2_);
  }

 private:
  Tensor update() const { return scale_ * torch::matmul(a1_, b1_) * torch::matmul(a2_, b2_); }  // (out, in)

  double scale_;
  Tensor a1_, b1_, a2_, b2_;  // (out, r), (r, in), (out, r), (r, in)
};

class Loha final : public plugtune::Strategy {
 public:
  explicit Loha(const ConfigView& config)
      : targets_(config.selector({"query", "value"})),
        name_(config.string("name", "loha")),
        rank_(config.integer("rank", 8, /*min=*/1)),
        alpha_(config.number("alpha", 8)) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    for (LinearSite* site : model.linears(targets_))
      site->attach(name_, std::make_shared<LohaPatch>(*site, rank_, alpha_ / static_cast<double>(rank_)));
  }

 private:
  plugtune::Selector targets_;
  std::string name_;
  int64_t rank_;
  double alpha_;
};

}  // namespace

PLUGTUNE_STRATEGY(Loha, "loha", "1.0.0", "the product of two low-rank updates of linear layers", 0)
