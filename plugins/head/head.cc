// head.cc - Only the head trains: the encoder stays as it is and its output is read by a new classifier.
//
// The classifier belongs to the host and trains with every strategy, so there is nothing left to do here but, on request,
// the pooler below it, tanh(W h_[CLS] + b).
#include "plugtune/plugtune.h"

namespace {

class Head final : public plugtune::Strategy {
 public:
  explicit Head(const plugtune::ConfigView& config) : train_pooler_(config.boolean("train_pooler", false)) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    if (!train_pooler_) return;
    for (const auto& [name, parameter] : model.base_parameters()) {
      if (name.starts_with("pooler.")) model.train_base(name);
    }
  }

 private:
  bool train_pooler_;
};

/// A classifier on top of its base: a Hugging Face checkpoint, or an AdapterHub head without an adapter.
class HeadExchange final : public plugtune::Exchange {
 public:
  bool reads(const plugtune::ForeignAdapter& adapter) const override {
    return adapter.format == "hf" && adapter.tensors.empty();
  }

  plugtune::MethodDelta read(plugtune::ForeignAdapter&, plugtune::ForeignTensors&,
                             const plugtune::ExchangeBase&) const override {
    return {plugtune::ConfigNode{plugtune::ConfigNode::Table{}}, {}, {}};  // the host takes the head over
  }

  plugtune::ForeignAdapter write(const plugtune::MethodDelta&, const std::string& format, const std::string& name,
                                 const plugtune::ExchangeBase&) const override {
    if (format != "adapterhub") {
      throw plugtune::Error("strategy 'head': " + format +
                            " has no files for a head without a method; --format hf writes it as a plain model");
    }
    return {"hf", name, plugtune::ConfigNode{plugtune::ConfigNode::Table{}}, {}, {}, {}};
  }
};

}  // namespace

PLUGTUNE_STRATEGY_AND_EXCHANGE(Head, HeadExchange, "head", "1.0.0", "only the head trains, the encoder is frozen", 0)
