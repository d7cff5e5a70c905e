// adapterdrop.cc - Bottleneck adapters that learn to do without those of the lowest layers.
//
// Rücklé et al. 2021, arXiv:2010.11918. In each step of the training the adapters of the first n layers are dropped, n drawn anew
// from 0 to max_dropped: what is left is the bare model there. Nothing below layer n has a gradient then, so backward ends there.
// The adapters are those of strategy 'adapter'; a place that is dropped is its bare junction, as the library's leave_out has it.
#include "plugtune/plugtune.h"

namespace {

using plugtune::AdapterBlock;
using plugtune::JunctionIn;
using plugtune::JunctionNext;
using plugtune::JunctionSite;
using torch::Tensor;

/// How many of the lowest layers go without.
struct Dropped {
  int64_t in_training = 0;  ///< of the step
  int64_t at_inference = 0;
};

class DropStage final : public plugtune::AdapterStage {
 public:
  DropStage(const plugtune::AdapterBlockOptions& options, int64_t layer, std::shared_ptr<const Dropped> dropped)
      : layer_(layer),
        dropped_(std::move(dropped)),
        block_(register_module("bottleneck", std::make_shared<AdapterBlock>(options))) {}

  bool row_wise() const override { return block_->row_wise(); }
  const AdapterBlock& block() const { return *block_; }

 protected:
  Tensor pass(const JunctionIn& in, const JunctionNext& norm) override {
    return is_dropped() ? in.h : block_->forward(block_->enter(in, norm), in.layout);
  }
  Tensor close(const Tensor& y, const JunctionIn& in, const JunctionNext& norm) override {
    return is_dropped() ? norm({y, in.residual, in.layout}) : block_->leave(y, in, norm);
  }

 private:
  bool is_dropped() const { return layer_ < (is_training() ? dropped_->in_training : dropped_->at_inference); }

  int64_t layer_;
  std::shared_ptr<const Dropped> dropped_;
  std::shared_ptr<AdapterBlock> block_;
};

class AdapterDrop final : public plugtune::Strategy, public plugtune::StepObserver, public plugtune::CustomState {
 public:
  explicit AdapterDrop(const plugtune::ConfigView& config)
      : config_(config),
        settings_(config),
        max_dropped_(config.integer("max_dropped", 0, /*min=*/0)) {
    dropped_->at_inference = config.integer("drop_at_inference", 0, /*min=*/0);
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    const int64_t hidden = model.info().hidden_size, most = model.info().layers - 1;
    for (const auto& [key, number] :
         {std::pair("max_dropped", max_dropped_), std::pair("drop_at_inference", dropped_->at_inference)}) {
      if (number > most)
        throw config_.error(key, c10::str("must be at most ", most, ", all layers but the last, got ", number));
    }
    if (settings_.invertible(hidden))
      throw config_.error("inv_adapter",
                          "must be \"\": it trains below all layers, and backward would have to go there");
    if (max_dropped_ == 0) max_dropped_ = most;
    Tensor phm_rule;  // one for all places: the first stage owns it
    for (JunctionSite* place : settings_.places(model)) {
      const int64_t layer = place->info().layer;
      auto options = settings_.block(layer, hidden);
      options.bottleneck.phm.rule = phm_rule;
      const auto stage = std::make_shared<DropStage>(options, layer, dropped_);
      phm_rule = stage->block().phm_rule;
      plugtune::AdapterStage::attach(*place, settings_.name, stage);
    }
  }

  /// The first step drops none: n is drawn for the step after.
  void on_step_end(int64_t) override { dropped_->in_training = torch::randint(max_dropped_ + 1, {1}).item<int64_t>(); }

  std::string save_state() const override { return state_of(dropped_->in_training); }
  void load_state(const std::string& state) override {
    for (int64_t n = 0; n <= max_dropped_; ++n) {
      if (state == state_of(n)) {
        dropped_->in_training = n;
        return;
      }
    }
    throw plugtune::Error("strategy 'adapterdrop': the state does not say how many layers the next step drops");
  }

 private:
  static std::string state_of(int64_t dropped) { return "the next step drops " + std::to_string(dropped) + "\n"; }

  plugtune::ConfigView config_;
  plugtune::AdapterSettings settings_;
  int64_t max_dropped_;
  std::shared_ptr<Dropped> dropped_ = std::make_shared<Dropped>();
};

}  // namespace

// Not the identity: AdapterHub's initialisation leaves the up-projection small, not zero.
PLUGTUNE_STRATEGY(AdapterDrop, "adapterdrop", "1.0.0", "bottleneck adapters that learn to do without the lowest layers",
                  PLUGTUNE_FLAG_NOT_IDENTITY)
