// full.cc - Full fine-tuning: every parameter of the encoder trains, with the lowest layers frozen or slowed on request.
//
// Devlin et al. 2019, arXiv:1810.04805; layer-wise rate decay: Howard and Ruder 2018, arXiv:1801.06146, with the exponents
// of Clark et al. 2020, arXiv:2003.10555.
#include <cmath>

#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigView;

/// Height of a base parameter: embeddings 0, encoder layer i i + 1, the pooler L + 1.
int64_t height(const std::string& name, int64_t layers) {
  static const std::string kLayer = "encoder.layer.";
  if (name.starts_with("embeddings.")) return 0;
  return name.starts_with(kLayer) ? std::stoll(name.substr(kLayer.size())) + 1 : layers + 1;
}

class Full final : public plugtune::Strategy, public plugtune::ParamGrouping {
 public:
  explicit Full(const ConfigView& config)
      : config_(config),
        freeze_layers_(config.integer("freeze_layers", 0, /*min=*/0)),
        freeze_embeddings_(config.boolean("freeze_embeddings", freeze_layers_ > 0)),
        layer_decay_(config.number("layer_decay", 1.0, /*min=*/0.01, /*max=*/1.0)) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    const int64_t layers = model.info().layers;
    if (freeze_layers_ > layers) {
      throw config_.error("freeze_layers", "must be at most " + std::to_string(layers) + " (the model's layers), got " +
                                               std::to_string(freeze_layers_));
    }
    for (const auto& [name, parameter] : model.base_parameters()) {
      const int64_t at = height(name, layers);
      const bool is_frozen = at == 0 ? freeze_embeddings_ : at <= freeze_layers_;
      if (is_frozen) continue;
      model.train_base(name);
      rate_scales_[name] = std::pow(layer_decay_, static_cast<double>(layers + 1 - at));
    }
  }

  // Layer i: decay^(L - i), embeddings: decay^(L + 1). Pooler, head and other strategies' parameters keep their rate.
  plugtune::ParamRule rule(const std::string& name) const override {
    const auto at = rate_scales_.find(name);
    return {.learning_rate_scale = at == rate_scales_.end() ? 1.0 : at->second, .weight_decay = {}};
  }

 private:
  ConfigView config_;
  int64_t freeze_layers_;
  bool freeze_embeddings_;
  double layer_decay_;
  std::map<std::string, double> rate_scales_;  // of the base parameters that train
};

/// A checkpoint whose weights differ from the base's: "hf", every weight of the encoder.
class FullExchange final : public plugtune::Exchange {
 public:
  bool reads(const plugtune::ForeignAdapter& adapter) const override {
    return adapter.format == "hf" && !adapter.tensors.empty();
  }

  plugtune::MethodDelta read(plugtune::ForeignAdapter&, plugtune::ForeignTensors& tensors,
                             const plugtune::ExchangeBase& base) const override {
    plugtune::MethodDelta delta{plugtune::ConfigNode{plugtune::ConfigNode::Table{}}, {}, {}};
    for (const std::string& name : tensors.names())
      delta.tensors.emplace_back(name, tensors.take(name, base.weight(name).sizes().vec()));
    return delta;
  }

  plugtune::ForeignAdapter write(const plugtune::MethodDelta&, const std::string& format, const std::string&,
                                 const plugtune::ExchangeBase&) const override {
    throw plugtune::Error("strategy 'full': changes every weight, so it is no adapter and has no form in " + format +
                          "; --format hf writes it as a plain model");
  }
};

}  // namespace

PLUGTUNE_STRATEGY_AND_EXCHANGE(Full, FullExchange, "full", "1.0.0",
                               "full fine-tuning: every parameter of the encoder trains", 0)
