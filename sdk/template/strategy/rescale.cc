// rescale.cc - a learned factor for each output of some linear layers: y = l * (W x + b).
// Half of (IA)^3 (Liu et al. 2022, arXiv:2205.05638), in its smallest form: a strategy to copy and change.
#include "plugtune/plugtune.h"

using plugtune::ConfigNode;
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

// The same numbers in the files of another library, so that `plugtune export` and `import` know the method. A method that no
// other library has needs none of this: remove the class, and write PLUGTUNE_STRATEGY at the end.
//
// Here a method of peft that is made up, "MADE_UP". Its configuration lists modules, its file has a tensor (out) for each.
class RescaleExchange final : public plugtune::Exchange {
 public:
  // Every plugin is asked this of every file, so it looks only at what tells methods apart.
  bool reads(const plugtune::ForeignAdapter& adapter) const override {
    return adapter.format == "peft" && plugtune::text_at(adapter.config, "peft_type") == "MADE_UP";
  }

  // Their file as our settings and tensors. take() notes what is missing or has another shape; a tensor that nobody takes, or a
  // field that nobody reads, is refused by plugtune: a file is read exactly or not at all.
  plugtune::MethodDelta read(plugtune::ForeignAdapter& adapter, plugtune::ForeignTensors& tensors,
                             const plugtune::ExchangeBase& base) const override {
    const plugtune::ConfigView config(adapter.config, {"adapter_config.json", "MADE_UP", "", {}});
    const std::vector<std::string> modules = config.strings("target_modules", {});
    if (modules.empty()) config.problem("target_modules", "must list the modules that have a factor");
    // These describe and do not compute, or are read by plugtune itself.
    plugtune::reject_unknown_fields(
        config, adapter.config,
        {"base_model_name_or_path", "inference_mode", "modules_to_save", "peft_type", "task_type"});
    plugtune::MethodDelta delta{ConfigNode{ConfigNode::Table{}}, {}, {}};
    delta.settings.set("targets", plugtune::array_of(modules));
    for (const std::string& module : modules) {
      const int64_t out = base.weight(module + ".weight").size(0);
      delta.tensors.emplace_back(module + kOurs, tensors.take(module + kTheirs, {out}));
    }
    return delta;
  }

  // The reverse. Whatever cannot be said exactly in their file is an Error that says what can be done instead.
  plugtune::ForeignAdapter write(const plugtune::MethodDelta& delta, const std::string& format, const std::string&,
                                 const plugtune::ExchangeBase&) const override {
    if (format != "peft")
      throw plugtune::Error("rescale: has no form in " + format + "; --format hf writes it as a plain model");
    plugtune::ForeignAdapter adapter{"peft", "", ConfigNode{ConfigNode::Table{}}, {}, {}, {}};
    std::vector<std::string> modules;
    for (const auto& [key, tensor] : delta.tensors) {
      modules.push_back(key.substr(0, key.size() - kOurs.size()));
      adapter.tensors.emplace_back(modules.back() + kTheirs, tensor);
    }
    adapter.config.set("peft_type", {std::string("MADE_UP")});
    adapter.config.set("target_modules", plugtune::array_of(modules));
    return adapter;
  }

 private:
  // How a tensor is called behind the path of its layer: here `<patch>.<parameter>`, and there.
  const std::string kOurs = ".rescale.factor", kTheirs = ".rescale";
};

// What `plugtune plugins` shows. The name must be the file's: rescale.strategy.so.
PLUGTUNE_STRATEGY_AND_EXCHANGE(Rescale, RescaleExchange, "rescale", "1.0.0", "a learned factor per output", 0)
