// loha.cc - The product, element by element, of two low-rank updates: y = (W + s (A1 B1) * (A2 B2)) x + b, s = alpha / r.
//
// FedPara: Hyeon-Woo et al. 2021, arXiv:2108.06098. Numbers as in peft 0.21 (LoHa of LyCORIS). The update has rank r^2 with the
// numbers of a LoRA of rank 2 r.
#include <cmath>

#include "exchange.h"
#include "settings.h"

namespace plugtune::loha {
namespace {

class LohaPatch final : public LinearPatch, public Foldable {
 public:
  LohaPatch(const LinearSite& site, const LohaSettings& settings)
      : site_(site),
        module_dropout_(settings.module_dropout) {
    const int64_t rank = settings.rank_at(site.info());
    scale_ = settings.alpha_at(site.info()) / static_cast<double>(rank);
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

  Tensor forward(const Tensor& x, const LinearNext& next) override {
    if (is_dropped()) return next(x);
    if (plugtune::may_multiply_once(site_, *this, x)) return plugtune::multiply_once(site_, x, site_.weight + update());
    return next(x) + torch::linear(x, update());
  }
  void fold(Tensor& weight, Tensor&) const override {
    const auto product = [&](const Tensor& a, const Tensor& b) {
      return torch::matmul(a.to(weight.scalar_type()), b.to(weight.scalar_type()));
    };
    weight += scale_ * product(a1_, b1_) * product(a2_, b2_);
  }

 private:
  /// In training the update of a layer as a whole is left out of some passes, and what is left is not made larger for it.
  bool is_dropped() const {
    return is_training() && module_dropout_ > 0 && torch::rand({1}).item<double>() <= module_dropout_;
  }
  Tensor update() const { return scale_ * torch::matmul(a1_, b1_) * torch::matmul(a2_, b2_); }  // (out, in)

  const LinearSite& site_;  // that owns this patch
  double scale_ = 0, module_dropout_;
  Tensor a1_, b1_, a2_, b2_;  // (out, r), (r, in), (out, r), (r, in)
};

class Loha final : public Strategy {
 public:
  explicit Loha(const ConfigView& config) : settings_(config) {}

  void apply(Model& model) override {
    std::vector<SiteInfo> patched;
    for (LinearSite* site : model.linears(settings_.targets)) {
      site->attach(settings_.name, std::make_shared<LohaPatch>(*site, settings_));
      patched.push_back(site->info());
    }
    settings_.ranks.check_matched(settings_.config, "ranks", patched);
    settings_.alphas.check_matched(settings_.config, "alphas", patched);
  }

 private:
  LohaSettings settings_;
};

}  // namespace
}  // namespace plugtune::loha

PLUGTUNE_STRATEGY_AND_EXCHANGE(plugtune::loha::Loha, plugtune::loha::LohaExchange, "loha", "1.0.0",
                               "the product of two low-rank updates of linear layers", 0)
