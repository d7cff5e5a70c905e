// adapter.cc - Bottleneck adapters: two small layers with a residual around them, beside the frozen LayerNorm of a sub-layer.
//
// f(z) = scaling * (U act(D z + b_d) + b_u);  h: the sub-layer's output, x: its input, LN: the model's own LayerNorm.
//   pfeiffer      LN(f(LN(h + x)) + h + x)   after the feed-forward                   Pfeiffer et al. 2020, arXiv:2005.00247
//   houlsby       LN(f(h) + h + x)           after attention and feed-forward         Houlsby et al. 2019, arXiv:1902.00751
//   parallel      LN(f(x) + h + x)           beside the feed-forward, scaling 4       He et al. 2021, arXiv:2110.04366
//   adapter_plus  f(z) + z, z = LN(h + x)    after the feed-forward, channel scaling  Steitz and Roth 2024, arXiv:2406.06820
//   compacter     as houlsby; D, U are sums of Kronecker products, one rule for all   Mahabadi et al. 2021, arXiv:2106.04647
// Everything in between is an option. The arithmetic is shared with AdapterFusion: plugtune/blocks/adapter_block.h.
#include "exchange.h"
#include "plugtune/plugtune.h"

namespace {

using plugtune::AdapterBlock;
using plugtune::ConfigView;
using plugtune::JunctionIn;
using plugtune::JunctionNext;
using plugtune::JunctionSite;
using torch::Tensor;

class AdapterPatch final : public plugtune::JunctionPatch {
 public:
  explicit AdapterPatch(const plugtune::AdapterBlockOptions& options)
      : bottleneck_(register_module("bottleneck", std::make_shared<AdapterBlock>(options))) {}

  Tensor forward(const JunctionIn& in, const JunctionNext& next) override {
    const AdapterBlock::Entry entry = bottleneck_->enter(in, next);  // z and the residual: h, LN(h + x) or x
    const Tensor y = bottleneck_->forward(entry, in.layout);         // f(z) + residual
    return bottleneck_->leave(y, in, next);                          // LN(y + x)
  }
  bool row_wise() const override { return bottleneck_->row_wise(); }
  /// Compacter's A; undefined for other adapters.
  const Tensor& phm_rule() const { return bottleneck_->phm_rule; }

 private:
  std::shared_ptr<AdapterBlock> bottleneck_;
};

class Adapter final : public plugtune::Strategy {
 public:
  explicit Adapter(const ConfigView& config) : settings_(config) { config.reject_unknown(); }

  void apply(plugtune::Model& model) override {
    Tensor phm_rule;  // one for all places: the first patch owns it
    for (JunctionSite* place : settings_.places(model)) {
      auto options = settings_.block(place->info().layer, model.info().hidden_size);
      options.bottleneck.phm.rule = phm_rule;
      const auto patch = std::make_shared<AdapterPatch>(options);
      phm_rule = patch->phm_rule();
      place->attach(settings_.name, patch);
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
