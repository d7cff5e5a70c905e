// my_prefix.cc - n learned keys and values per layer in front of every sequence's own; real positions are not shifted.
// Li and Liang 2021, arXiv:2101.00190, in its flat form (no network behind the rows), as in P-Tuning v2.
#include "plugtune/plugtune.h"

using plugtune::Tensor;

class PrefixPatch final : public plugtune::AttentionPatch {
 public:
  PrefixPatch(const plugtune::ModelInfo& info, int64_t length) : length_(length) {
    const auto rows = [&] { return torch::randn({length, info.heads, info.head_size}) * info.initializer_range; };
    keys_ = register_parameter("keys", rows());      // (n, A, D)
    values_ = register_parameter("values", rows());  // (n, A, D)
  }

  // Each output row depends on its own query only: all keys are always there.
  bool row_wise() const override { return true; }

  Tensor forward(const plugtune::AttentionIn& in, const plugtune::AttentionNext& next) override {
    return next(
        {in.q, in.keys.prepend(keys_, in.k), in.keys.prepend(values_, in.v), in.queries, in.keys.with_prefix(length_)});
  }

 private:
  int64_t length_;
  Tensor keys_, values_;
};

class Prefix final : public plugtune::Strategy {
 public:
  explicit Prefix(const plugtune::ConfigView& config) : length_(config.integer("length", 30, 1, 1000)) {
    config.reject_unknown();
  }
  void apply(plugtune::Model& model) override {
    for (int64_t layer = 0; layer < model.info().layers; ++layer)
      model.attention(layer).attach("my_prefix", std::make_shared<PrefixPatch>(model.info(), length_));
  }

 private:
  int64_t length_;
};

// Attention is spread over the new rows as well, so the output changes at once.
PLUGTUNE_STRATEGY(Prefix, "my_prefix", "1.0.0", "learned keys and values in front of each layer's",
                  PLUGTUNE_FLAG_NOT_IDENTITY)
