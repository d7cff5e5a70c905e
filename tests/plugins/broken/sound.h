#pragma once
// sound.h - a small strategy without a fault: y = scale * (W x + b) on query and value. The plugins beside it break one thing each.

#include <memory>
#include <string>

#include "plugtune/plugtune.h"

using plugtune::ConfigView;
using plugtune::Tensor;

class SoundPatch : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  explicit SoundPatch(const plugtune::LinearSite& site) {
    scale_ = register_parameter("scale", torch::ones({site.out_features()}));
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override { return next(x) * scale_; }
  void fold(Tensor& weight, Tensor& bias) const override {
    weight = weight * scale_.unsqueeze(1);
    bias = bias * scale_;
  }

 protected:
  Tensor scale_;  // (out)
};

/// Puts a Patch made from each site on query and value.
template <class Patch>
class StrategyOf : public plugtune::Strategy {
 public:
  explicit StrategyOf(const ConfigView& config) : targets_(config.selector({"query", "value"})) {
    config.reject_unknown();
  }
  void apply(plugtune::Model& model) override {
    for (plugtune::LinearSite* site : model.linears(targets_))
      site->attach("scale", std::make_shared<Patch>(*site));
  }

 private:
  plugtune::Selector targets_;
};

using SoundStrategy = StrategyOf<SoundPatch>;
