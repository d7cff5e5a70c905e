// ia3.cc - Learned factors on keys, values and inner activations: y = l * (W x + b), or y = W (l * x) + b.
// Liu et al. 2022, arXiv:2205.05638; numbers as in peft 0.21 and AdapterHub's library 1.3, whose feed-forward parts differ.
#include "exchange.h"
#include "settings.h"

namespace plugtune::ia3 {
namespace {

/// y = l * (W x + b)
class OutputScalePatch final : public LinearPatch, public Foldable {
 public:
  explicit OutputScalePatch(const LinearSite& site) {
    l_ = register_parameter("l", torch::ones({site.out_features()}));
  }
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x) * l_; }  // (N, out)
  void fold(Tensor& weight, Tensor& bias) const override {
    weight = weight * l_.unsqueeze(1);
    bias = bias * l_;
  }

 private:
  Tensor l_;  // (out)
};

/// y = W (l * x) + b
class InputScalePatch final : public LinearPatch, public Foldable {
 public:
  explicit InputScalePatch(const LinearSite& site) { l_ = register_parameter("l", torch::ones({site.in_features()})); }
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x * l_); }  // (N, out)
  void fold(Tensor& weight, Tensor&) const override { weight = weight * l_; }

 private:
  Tensor l_;  // (in)
};

class Ia3 final : public Strategy {
 public:
  explicit Ia3(const ConfigView& config) : settings_(config) {}

  void apply(Model& model) override {
    const std::vector<LinearSite*> sites = model.linears(settings_.targets);
    std::vector<SiteInfo> chosen;
    for (const LinearSite* site : sites)
      chosen.push_back(site->info());
    settings_.check_feedforward(chosen);
    for (LinearSite* site : sites) {
      if (settings_.inputs.matches(site->info())) {
        site->attach(settings_.name, std::make_shared<InputScalePatch>(*site));
      } else {
        site->attach(settings_.name, std::make_shared<OutputScalePatch>(*site));
      }
    }
  }

 private:
  Ia3Settings settings_;
};

}  // namespace
}  // namespace plugtune::ia3

PLUGTUNE_STRATEGY_AND_EXCHANGE(plugtune::ia3::Ia3, plugtune::ia3::Ia3Exchange, "ia3", "1.0.0",
                               "learned factors on keys, values and the feed-forward", 0)
