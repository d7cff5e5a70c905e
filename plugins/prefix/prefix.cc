// prefix.cc - n learned keys and values in front of each sequence's own, in every layer. Li and Liang 2021, arXiv:2101.00190;
// flat, as in P-Tuning v2, Liu et al. 2022, arXiv:2110.07602. Gated: UniPELT, Mao et al. 2022, arXiv:2110.07577. Numbers as in
// AdapterHub's library 1.3 and in peft 0.21.
#include <torch/nn/functional.h>
#include <torch/nn/init.h>

#include <cmath>

#include "exchange.h"
#include "plugtune/blocks/sequence_gate.h"
#include "settings.h"

namespace plugtune::prefix {
namespace {

/// The part of the reparametrisation that all layers share: act(D e + b) of n learned vectors e.
class PrefixNetwork final : public torch::nn::Module {
 public:
  PrefixNetwork(int64_t hidden_size, const PrefixSettings& settings) : activation_(activation(settings.non_linearity)) {
    const double bound = 1 / std::sqrt(static_cast<double>(hidden_size));  // as torch.nn.Linear starts
    wte_ = register_parameter("wte", torch::randn({settings.prefix_length, hidden_size}) * settings.init_std);
    down_weight_ = register_parameter("down_weight",
                                      torch::empty({settings.bottleneck_size, hidden_size}).uniform_(-bound, bound));
    down_bias_ = register_parameter("down_bias", torch::empty({settings.bottleneck_size}).uniform_(-bound, bound));
  }
  Tensor inner() const { return activation_(torch::linear(wte_, down_weight_, down_bias_)); }  // (n, bottleneck)

 private:
  std::function<Tensor(const Tensor&)> activation_;
  Tensor wte_;          // (n, H)
  Tensor down_weight_;  // (bottleneck, H)
  Tensor down_bias_;    // (bottleneck)
};

/// One layer's keys and values.
class PrefixPatch final : public AttentionPatch {
 public:
  /// @param network      null: flat
  /// @param is_its_owner  the network's parameters are saved with this patch
  /// @param layer         whose input the gate reads; null: no gate
  PrefixPatch(const ModelInfo& info, const PrefixSettings& settings, std::shared_ptr<PrefixNetwork> network,
              bool is_its_owner, std::shared_ptr<const LayerView> layer)
      : length_(settings.prefix_length),
        heads_(info.heads),
        head_size_(info.head_size),
        dropout_(settings.dropout),
        network_(std::move(network)),
        layer_(std::move(layer)) {
    const int64_t hidden = info.hidden_size;
    if (layer_ != nullptr) gate_ = register_module("gate", std::make_shared<SequenceGate>(hidden));
    if (network_ == nullptr) {
      keys_ = register_parameter("keys", torch::randn({length_, hidden}) * settings.init_std);
      values_ = register_parameter("values", torch::randn({length_, hidden}) * settings.init_std);
      return;
    }
    if (is_its_owner) register_module("network", network_);
    const int64_t inner = settings.bottleneck_size;
    const double bound = 1 / std::sqrt(static_cast<double>(inner));
    up_weight_ = register_parameter("up_weight", torch::empty({2 * hidden, inner}).uniform_(-bound, bound));
    up_bias_ = register_parameter("up_bias", torch::empty({2 * hidden}).uniform_(-bound, bound));
  }

  // Each output row depends on its own query only: all keys are always there.
  bool row_wise() const override { return true; }

  Tensor forward(const AttentionIn& in, const AttentionNext& next) override {
    Tensor keys = keys_, values = values_;  // (n, H)
    if (network_ != nullptr) {
      const auto parts = torch::linear(network_->inner(), up_weight_, up_bias_).chunk(2, 1);
      keys = parts[0];
      values = parts[1];
    }
    keys = drop(keys, in.keys);
    values = drop(values, in.keys);
    // Called by itself, outside of its layer, the attention has nothing to gate by.
    if (const LayerIn* layer = layer_ == nullptr ? nullptr : layer_->in()) {
      const Tensor gate = gate_->forward(layer->h, layer->layout).view({-1, 1, 1, 1});  // (B, 1, 1, 1)
      keys = keys * gate;                                                               // (B, n, A, D)
      values = values * gate;
    }
    const Layout longer = in.keys.with_prefix(length_);
    return next({in.q, in.keys.prepend(keys, in.k), in.keys.prepend(values, in.v), in.queries, longer});
  }

 private:
  /// (n, H) -> (n, A, D), or in training (B, n, A, D) with a mask for each sequence.
  Tensor drop(const Tensor& rows, const Layout& layout) const {
    const Tensor heads = rows.reshape({length_, heads_, head_size_});
    if (!is_training() || dropout_ == 0) return heads;
    return torch::dropout(heads.expand({layout.sequences(), length_, heads_, head_size_}), dropout_, /*train=*/true);
  }

  int64_t length_, heads_, head_size_;
  double dropout_;
  std::shared_ptr<PrefixNetwork> network_;  // one for all layers
  std::shared_ptr<const LayerView> layer_;  // null: no gate
  std::shared_ptr<SequenceGate> gate_;      // likewise
  Tensor keys_, values_;                    // (n, H), flat only
  Tensor up_weight_, up_bias_;              // (2 H, bottleneck) and (2 H), with a network only
};

/// Real tokens stand at n, n + 1, ...: the prefix has taken the first positions.
class ShiftPatch final : public TrunkPatch {
 public:
  ShiftPatch(const ModelInfo& info, int64_t length) : length_(length), max_positions_(info.max_positions) {}
  Tensor forward(const TrunkIn& in, const TrunkNext& next) override {
    if (in.layout.longest() + length_ > max_positions_) {
      throw Error("positions: " + std::to_string(length_) + " of the prefix and " +
                  std::to_string(in.layout.longest()) + " of a sequence are more than the model's " +
                  std::to_string(max_positions_) +
                  "; lower data.max_length or prefix_length, or set shift_positions = false");
    }
    return next({in.words, in.types, in.positions + length_, in.layout});
  }

 private:
  int64_t length_, max_positions_;
};

class Prefix final : public Strategy {
 public:
  explicit Prefix(const ConfigView& config) : settings_(config) {}

  void apply(Model& model) override {
    const ModelInfo& info = model.info();
    std::shared_ptr<PrefixNetwork> network;
    if (!settings_.flat) network = std::make_shared<PrefixNetwork>(info.hidden_size, settings_);
    bool is_first = true;
    for (const int64_t layer : settings_.layers(info)) {
      std::shared_ptr<LayerView> view;
      if (settings_.gate) model.layer(layer).attach(settings_.name, view = std::make_shared<LayerView>());
      model.attention(layer).attach(settings_.name,
                                    std::make_shared<PrefixPatch>(info, settings_, network, is_first, view));
      is_first = false;
    }
    if (settings_.shift_positions)
      model.trunk().attach(settings_.name, std::make_shared<ShiftPatch>(info, settings_.prefix_length));
  }

 private:
  PrefixSettings settings_;
};

}  // namespace
}  // namespace plugtune::prefix

// Attention is spread over the new rows as well, so the output changes at once.
PLUGTUNE_STRATEGY_AND_EXCHANGE(plugtune::prefix::Prefix, plugtune::prefix::PrefixExchange, "prefix", "1.0.0",
                               "learned keys and values in front of each layer's", PLUGTUNE_FLAG_NOT_IDENTITY)
