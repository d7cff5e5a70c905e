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

}  // namespace

PLUGTUNE_STRATEGY(Head, "head", "1.0.0", "only the head trains, the encoder is frozen", 0)
