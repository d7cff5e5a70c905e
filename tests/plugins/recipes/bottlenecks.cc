// bottlenecks.cc - A bottleneck behind each sub-layer, y = LN(h + f U act(D (h - m)) + x), with one factor f for all layers and a
// running mean m; in training, updates of whole sequences are left out.
//
// docs/recipes.md takes pieces of it.
#include <algorithm>
#include <charconv>

#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigView;
using plugtune::Error;
using plugtune::JunctionIn;
using plugtune::JunctionNext;
using plugtune::JunctionSite;
using plugtune::Tensor;

class BottleneckPatch final : public plugtune::JunctionPatch {
 public:
  /// @param factor  (1), of all layers  @param owns_factor  it is trained and saved as this patch's
  BottleneckPatch(const plugtune::BottleneckOptions& options, const Tensor& factor, bool owns_factor)
      : bottleneck_(register_module("bottleneck", std::make_shared<plugtune::Bottleneck>(options))),
        factor_(factor) {
    if (owns_factor) register_parameter("factor", factor_);
    mean_ = register_buffer("mean", torch::zeros({options.hidden_size}));  // (H)
  }

  Tensor forward(const JunctionIn& in, const JunctionNext& next) override {
    if (is_training()) batch_mean_ = in.h.detach().mean(0);
    const Tensor update = factor_ * bottleneck_->forward(in.h - mean_);  // (N, H)
    return next({in.h + leave_out(update, in.layout), in.residual, in.layout});
  }

  // Each row of the output needs its own row of the input alone, so the last layer may be handed first rows only.
  bool row_wise() const override { return true; }

  void set_chance(double chance) { chance_ = chance; }

  /// Moves the mean towards that of the last batch.
  void follow_mean() {
    if (batch_mean_.defined()) mean_.mul_(0.9).add_(batch_mean_, 0.1);
  }

  const Tensor& up_weight() const { return bottleneck_->up_weight; }

 private:
  /// In training, a sequence's update is left out by chance; the others are scaled so that the mean stays.
  Tensor leave_out(const Tensor& update, const plugtune::Layout& layout) const {
    if (!is_training() || chance_ == 0) return update;
    const Tensor kept = (torch::rand({layout.sequences()}) >= chance_).to(update.scalar_type()) / (1 - chance_);  // (B)
    return update * kept.index_select(0, layout.row_sequence()).unsqueeze(1);  // (N, H)
  }

  std::shared_ptr<plugtune::Bottleneck> bottleneck_;
  Tensor factor_;      // (1)
  Tensor mean_;        // (H)
  Tensor batch_mean_;  // (H), of the last batch
  double chance_ = 0;
};

class Bottlenecks final : public plugtune::Strategy,
                          public plugtune::StepObserver,
                          public plugtune::CustomState,
                          public plugtune::AuxiliaryLoss {
 public:
  explicit Bottlenecks(const ConfigView& config)
      : targets_(config.selector({"after_attention", "after_ffn"})),
        reduction_factor_(config.number("reduction_factor", 16, /*min=*/1)),
        chance_(config.number("chance", 0.1, /*min=*/0, /*max=*/0.9)),
        ramp_steps_(config.integer("ramp_steps", 100, /*min=*/1)),
        penalty_(config.number("penalty", 1e-4, /*min=*/0)) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    plugtune::BottleneckOptions options;
    options.hidden_size = model.info().hidden_size;
    options.width = plugtune::bottleneck_width(options.hidden_size, reduction_factor_);
    options.init = plugtune::BottleneckInit::kMam;  // up 0: the model computes at first what it did before
    const Tensor factor = torch::ones({1});
    for (JunctionSite* site : model.junctions(targets_)) {
      patches_.push_back(std::make_shared<BottleneckPatch>(options, factor, /*owns_factor=*/patches_.empty()));
      site->attach("bottleneck", patches_.back());
    }
  }

  // The chance rises from 0 to its full value over the first steps.
  void on_step_end(int64_t step) override {
    set_steps_done(step + 1);
    for (const auto& patch : patches_)
      patch->follow_mean();
  }

  std::string save_state() const override { return "steps=" + std::to_string(steps_done_) + ";"; }
  void load_state(const std::string& state) override {
    static const std::string kBegin = "steps=";
    int64_t steps = -1;
    if (state.starts_with(kBegin) && state.ends_with(";"))
      std::from_chars(state.data() + kBegin.size(), state.data() + state.size(), steps);
    if (steps < 0) throw Error("bottlenecks: state must be 'steps=<number>;', got '" + state + "'");
    set_steps_done(steps);
  }

  Tensor auxiliary_loss() override {
    Tensor sum = torch::zeros({});
    for (const auto& patch : patches_)
      sum = sum + patch->up_weight().to(torch::kFloat32).square().sum();
    return penalty_ * sum;  // ()
  }

 private:
  void set_steps_done(int64_t steps) {
    steps_done_ = steps;
    const double share = std::min(1.0, static_cast<double>(steps) / static_cast<double>(ramp_steps_));
    for (const auto& patch : patches_)
      patch->set_chance(chance_ * share);
  }

  plugtune::Selector targets_;
  double reduction_factor_, chance_;
  int64_t ramp_steps_;
  double penalty_;
  int64_t steps_done_ = 0;
  std::vector<std::shared_ptr<BottleneckPatch>> patches_;
};

}  // namespace

PLUGTUNE_STRATEGY(Bottlenecks, "bottlenecks", "1.0.0", "a bottleneck behind each sub-layer, one factor for all", 0)
