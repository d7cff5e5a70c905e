// no-op.cc - patches that only call what they wrap: what a patched site costs by itself (docs/performance.md, "What a site costs").
//
// All linear layers of the encoder, or `targets` and `layers`; nothing trains, so another strategy stands beside it.
#include "plugtune/plugtune.h"

namespace {

class NoOpPatch final : public plugtune::LinearPatch {
 public:
  plugtune::Tensor forward(const plugtune::Tensor& x, const plugtune::LinearNext& next) override { return next(x); }
};

class NoOp final : public plugtune::Strategy {
 public:
  explicit NoOp(const plugtune::ConfigView& config)
      : targets_(config.selector({"query", "key", "value", "attention_output", "ffn_up", "ffn_down"})) {
    config.reject_unknown();
  }
  void apply(plugtune::Model& model) override {
    for (plugtune::LinearSite* site : model.linears(targets_))
      site->attach("no-op", std::make_shared<NoOpPatch>());
  }

 private:
  plugtune::Selector targets_;
};

}  // namespace

PLUGTUNE_STRATEGY(NoOp, "no-op", "1.0.0", "calls what it wraps", 0)
