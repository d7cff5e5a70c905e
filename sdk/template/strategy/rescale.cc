// rescale.cc - a learned factor for each output of some linear layers: y = l * (W x + b).
// Half of (IA)^3 (Liu et al. 2022, arXiv:2205.05638), in its smallest form: a strategy to copy and change.
#include "plugtune/plugtune.h"

using plugtune::Tensor;

// A patch is the code around one span of the model. This one goes around a linear layer. Whatever it registers is trained,
// saved and loaded by plugtune; there is nothing to write for that.
//
// Foldable says that the patch can be absorbed into the layer's weights: `plugtune merge` needs it, everything else does not.
class RescalePatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  explicit RescalePatch(const plugtune::LinearSite& site) {
    // Ones: at the start the model computes what it did before, so training begins where pretraining ended.
    factor_ = register_parameter("factor", torch::ones({site.out_features()}));  // (out)
  }

  // Called in every step with the rows of a packed batch: N tokens of all its sequences, one after another, no padding.
  // `next` is the rest: patches further inside, then the bare layer.
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return next(x) * factor_;  // (N, out)
  }

  // The bare layer with this weight (out, in) and bias (out) must compute what forward() does.
  void fold(Tensor& weight, Tensor& bias) const override {
    weight = weight * factor_.unsqueeze(1);
    bias = bias * factor_;
  }

 private:
  Tensor factor_;
};

// A strategy is made once per run from its table of the experiment file, and puts its patches where the user wants them.
class Rescale final : public plugtune::Strategy {
 public:
  // Reads `targets` and `layers`. Reading never throws: reject_unknown() tells every mistake at once, with its line.
  explicit Rescale(const plugtune::ConfigView& config) : targets_(config.selector({"key", "value"})) {
    config.reject_unknown();
  }

  // The weights are loaded and frozen. What is attached here trains, the rest does not.
  void apply(plugtune::Model& model) override {
    for (plugtune::LinearSite* site : model.linears(targets_))
      site->attach("rescale", std::make_shared<RescalePatch>(*site));
  }

 private:
  plugtune::Selector targets_;
};

// What `plugtune plugins` shows. The name must be the file's: rescale.strategy.so.
PLUGTUNE_STRATEGY(Rescale, "rescale", "1.0.0", "a learned factor per output", 0)
