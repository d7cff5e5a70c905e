// adapter.cc - Bottleneck adapters: two small layers with a residual around them, beside the frozen LayerNorm of a sub-layer.
//
// f(z) = scaling * (U act(D z + b_d) + b_u);  h: the sub-layer's output, x: its input, LN: the model's own LayerNorm.
//   pfeiffer      LN(f(LN(h + x)) + h + x)   after the feed-forward                   Pfeiffer et al. 2020, arXiv:2005.00247
//   houlsby       LN(f(h) + h + x)           after attention and feed-forward         Houlsby et al. 2019, arXiv:1902.00751
//   parallel      LN(f(x) + h + x)           beside the feed-forward, scaling 4       He et al. 2021, arXiv:2110.04366
//   adapter_plus  f(z) + z, z = LN(h + x)    after the feed-forward, channel scaling  Steitz and Roth 2024, arXiv:2406.06820
//   compacter     as houlsby; D, U are sums of Kronecker products, one rule for all   Mahabadi et al. 2021, arXiv:2106.04647
//   +inv          pfeiffer or houlsby with a NICE layer behind the embeddings       Pfeiffer et al. 2020, arXiv:2005.00052
// Everything in between is an option. The arithmetic is shared with AdapterFusion: plugtune/blocks/adapter_block.h. A second
// adapter at the same places is a stage above the first: plugtune/blocks/adapter_stage.h.
#include "exchange.h"
#include "plugtune/plugtune.h"

namespace {

using plugtune::AdapterStage;
using plugtune::BottleneckStage;
using plugtune::ConfigView;
using plugtune::JunctionSite;
using plugtune::NiceCoupling;
using torch::Tensor;

class Adapter final : public plugtune::Strategy {
 public:
  explicit Adapter(const ConfigView& config) : settings_(config) { config.reject_unknown(); }

  void apply(plugtune::Model& model) override {
    const int64_t hidden = model.info().hidden_size;
    const std::vector<JunctionSite*> places = settings_.places(model);
    if (const auto options = settings_.invertible(hidden)) {
      const auto coupling = std::make_shared<NiceCoupling>(*options);
      // In a stack only the first adapter's works; the library keeps the others, and so does a run that is made of its files.
      const bool is_first = !AdapterStage::any(model);
      plugtune::attach_invertible(model, settings_.name, {{"invertible", coupling}}, is_first ? coupling : nullptr);
    }
    Tensor phm_rule;  // one for all places: the first stage owns it
    for (JunctionSite* place : places) {
      auto options = settings_.block(place->info().layer, hidden);
      options.bottleneck.phm.rule = phm_rule;
      const auto stage = std::make_shared<BottleneckStage>(options);
      phm_rule = stage->block().phm_rule;
      AdapterStage::attach(*place, settings_.name, stage);
    }
  }

 private:
  plugtune::AdapterSettings settings_;
};

}  // namespace

using adapter::AdapterExchange;

// Not the identity: AdapterHub's initialisation leaves the up-projection small, not zero.
PLUGTUNE_STRATEGY_AND_EXCHANGE(Adapter, AdapterExchange, "adapter", "1.0.0",
                               "bottleneck adapters: Pfeiffer, Houlsby, parallel, AdapterPlus, Compacter",
                               PLUGTUNE_FLAG_NOT_IDENTITY)
