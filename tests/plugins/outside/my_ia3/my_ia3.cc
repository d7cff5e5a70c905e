// my_ia3.cc - learned factors on keys, values and the feed-forward's inner activations. Liu et al. 2022, arXiv:2205.05638
// (the paper's and peft's convention: in the feed-forward the *input* of the second layer is scaled).
#include "plugtune/plugtune.h"

using plugtune::Tensor;

/// y = l * (W x + b)
class OutputScale final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  explicit OutputScale(const plugtune::LinearSite& site) {
    l_ = register_parameter("l", torch::ones({site.out_features()}));
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override { return next(x) * l_; }  // (N, out)
  void fold(Tensor& weight, Tensor& bias) const override {
    weight = weight * l_.unsqueeze(1);
    bias = bias * l_;
  }

 private:
  Tensor l_;  // (out)
};

/// y = W (l * x) + b
class InputScale final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  explicit InputScale(const plugtune::LinearSite& site) {
    l_ = register_parameter("l", torch::ones({site.in_features()}));
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override { return next(x * l_); }  // (N, out)
  void fold(Tensor& weight, Tensor&) const override { weight = weight * l_; }

 private:
  Tensor l_;  // (in)
};

class Ia3 final : public plugtune::Strategy {
 public:
  explicit Ia3(const plugtune::ConfigView& config)
      : outputs_(config.selector({"key", "value"})),
        inputs_(config.strings("feed_forward", {"ffn_down"}), config.string("layers", ""), "strategy.feed_forward") {
    config.reject_unknown();
  }
  void apply(plugtune::Model& model) override {
    for (plugtune::LinearSite* site : model.linears(outputs_))
      site->attach("my_ia3", std::make_shared<OutputScale>(*site));
    for (plugtune::LinearSite* site : model.linears(inputs_))
      site->attach("my_ia3", std::make_shared<InputScale>(*site));
  }

 private:
  plugtune::Selector outputs_, inputs_;
};

PLUGTUNE_STRATEGY(Ia3, "my_ia3", "1.0.0", "factors on keys, values and feed-forward", 0)
