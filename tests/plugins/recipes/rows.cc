// rows.cc - Learned rows: in front of each sequence's embeddings, and in front of its keys and values in every layer.
// Lester et al. 2021, arXiv:2104.08691; Li and Liang 2021, arXiv:2101.00190.
//
// docs/recipes.md takes pieces of it.
#include "plugtune/plugtune.h"

namespace {

using plugtune::Layout;
using plugtune::Tensor;

class PromptPatch final : public plugtune::EncoderPatch {
 public:
  PromptPatch(const plugtune::ModelInfo& info, int64_t length) : length_(length) {
    rows_ = register_parameter("rows", torch::randn({length, info.hidden_size}) * info.initializer_range);  // (n, H)
  }

  Tensor forward(const plugtune::EncoderIn& in, const plugtune::EncoderNext& next) override {
    const Layout longer = in.layout.with_prefix(length_);
    const Tensor h = next({in.layout.prepend(rows_, in.h), longer});  // (N + B n, H)
    return longer.drop_prefix(h, length_);                            // (N, H)
  }

 private:
  int64_t length_;
  Tensor rows_;
};

class PrefixPatch final : public plugtune::AttentionPatch {
 public:
  PrefixPatch(const plugtune::ModelInfo& info, int64_t length) : length_(length) {
    const auto start = [&] { return torch::randn({length, info.heads, info.head_size}) * info.initializer_range; };
    keys_ = register_parameter("keys", start());      // (n, A, D)
    values_ = register_parameter("values", start());  // (n, A, D)
  }

  Tensor forward(const plugtune::AttentionIn& in, const plugtune::AttentionNext& next) override {
    return next({in.q, in.keys.prepend(keys_, in.k), in.keys.prepend(values_, in.v), in.queries,
                 in.keys.with_prefix(length_)});  // (Nq, A, D)
  }

  // An output row depends on its own query; keys and values are always all there.
  bool row_wise() const override { return true; }

 private:
  int64_t length_;
  Tensor keys_, values_;
};

class Rows final : public plugtune::Strategy {
 public:
  explicit Rows(const plugtune::ConfigView& config)
      : config_(config),
        length_(config.integer("length", 4, /*min=*/1, /*max=*/1000)),
        layers_({}, config.string("layers", ""), "strategy") {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    if (const int64_t layers = model.info().layers; layers_.highest_layer() >= layers)
      throw config_.error("layers", "must be below " + std::to_string(layers) + ", the model's layers, got " +
                                        std::to_string(layers_.highest_layer()));
    model.encoder().attach("rows", std::make_shared<PromptPatch>(model.info(), length_));
    for (int64_t layer = 0; layer < model.info().layers; ++layer)
      if (layers_.has_layer(layer))
        model.attention(layer).attach("rows", std::make_shared<PrefixPatch>(model.info(), length_));
  }

 private:
  plugtune::ConfigView config_;
  int64_t length_;
  plugtune::Selector layers_;
};

}  // namespace

PLUGTUNE_STRATEGY(Rows, "rows", "1.0.0", "learned rows in front of embeddings, keys and values",
                  PLUGTUNE_FLAG_NOT_IDENTITY)
