// norms.cc - The model's own LayerNorms train, without decay, and the lower the layer the slower.
//
// docs/recipes.md takes pieces of it.
#include <cmath>

#include "plugtune/plugtune.h"

namespace {

class Norms final : public plugtune::Strategy, public plugtune::ParamGrouping {
 public:
  explicit Norms(const plugtune::ConfigView& config) : decay_(config.number("layer_decay", 0.9, 0.01, 1)) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    const int64_t layers = model.info().layers;
    for (const plugtune::JunctionSite* site : model.all_junctions()) {
      for (const char* parameter : {".weight", ".bias"}) {
        const std::string name = site->info().path + parameter;  // encoder.layer.0.output.LayerNorm.weight
        model.train_base(name);
        scales_[name] = std::pow(decay_, static_cast<double>(layers - 1 - site->info().layer));
      }
    }
  }

  // Asked for everything that trains: the head and what other strategies train, too.
  plugtune::ParamRule rule(const std::string& name) const override {
    const auto own = scales_.find(name);
    if (own == scales_.end()) return {};
    return {.learning_rate_scale = own->second, .weight_decay = 0.0};
  }

 private:
  double decay_;
  std::map<std::string, double> scales_;  // of train.learning_rate, by the parameter's name
};

}  // namespace

PLUGTUNE_STRATEGY(Norms, "norms", "1.0.0", "the model's own LayerNorms train", 0)
