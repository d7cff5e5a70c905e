// sdk-1-0.cc - a strategy against SDK 1.0: a patch on every kind of site, every capability, every kind of setting.
// Never edited: README.md.
#include <algorithm>
#include <charconv>

#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigNode;
using plugtune::ConfigView;
using plugtune::Error;
using plugtune::Layout;
using plugtune::Tensor;

/// y = l * (W x + b)
class ScalePatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  explicit ScalePatch(const plugtune::LinearSite& site) {
    scale_ = register_parameter("scale", torch::ones({site.out_features()}));
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override { return next(x) * scale_; }
  void fold(Tensor& weight, Tensor& bias) const override {
    weight = weight * scale_.unsqueeze(1);
    bias = bias * scale_;
  }
  double gradient() const { return scale_.grad().defined() ? scale_.grad().norm().item<double>() : 0; }

 private:
  Tensor scale_;  // (out)
};

/// y = W x + b + s B A x
class LowRankPatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  LowRankPatch(const plugtune::LinearSite& site, const plugtune::LowRankOptions& options)
      : update_(register_module(
            "update", std::make_shared<plugtune::LowRankLinear>(site.in_features(), site.out_features(), options))) {}
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override { return update_->add_to(next(x), x); }
  void fold(Tensor& weight, Tensor&) const override { update_->merge(weight); }
  Tensor size() const { return update_->b.to(torch::kFloat32).square().sum(); }

 private:
  std::shared_ptr<plugtune::LowRankLinear> update_;
};

class WordPatch final : public plugtune::TokenPatch, public plugtune::FoldableEmbedding {
 public:
  explicit WordPatch(int64_t hidden) { shift_ = register_parameter("shift", torch::zeros({hidden})); }
  bool row_wise() const override { return true; }
  Tensor forward(const plugtune::TokenIn& in, const plugtune::TokenNext& next) override { return next(in) + shift_; }
  void fold(Tensor& weight) const override { weight = weight + shift_; }

 private:
  Tensor shift_;  // (H)
};

class TrunkFactorPatch final : public plugtune::TrunkPatch {
 public:
  TrunkFactorPatch() { factor_ = register_parameter("factor", torch::ones({1})); }
  Tensor forward(const plugtune::TrunkIn& in, const plugtune::TrunkNext& next) override {
    return next({in.words * factor_, in.types, in.positions, in.layout});
  }

 private:
  Tensor factor_;  // (1)
};

/// n rows in front of each sequence, and away again.
class RowsPatch final : public plugtune::EncoderPatch {
 public:
  RowsPatch(int64_t n, int64_t hidden) : n_(n) { rows_ = register_parameter("rows", torch::randn({n, hidden}) * 0.02); }
  Tensor forward(const plugtune::EncoderIn& in, const plugtune::EncoderNext& next) override {
    const Layout longer = in.layout.with_prefix(n_);
    return longer.drop_prefix(next({in.layout.prepend(rows_, in.h), longer}), n_);
  }

 private:
  int64_t n_;
  Tensor rows_;  // (n, H)
};

class GatePatch final : public plugtune::LayerPatch {
 public:
  GatePatch() { gate_ = register_parameter("gate", torch::ones({1})); }
  Tensor forward(const plugtune::LayerIn& in, const plugtune::LayerNext& next) override {
    return in.h + gate_ * (next(in) - in.h);
  }

 private:
  Tensor gate_;  // (1)
};

/// A factor for each head, learned keys and values in front.
class AttentionPatch final : public plugtune::AttentionPatch {
 public:
  explicit AttentionPatch(const plugtune::ModelInfo& info) {
    factor_ = register_parameter("factor", torch::ones({info.heads, 1}));
    keys_ = register_parameter("keys", torch::randn({2, info.heads, info.head_size}) * 0.02);
    values_ = register_parameter("values", torch::randn({2, info.heads, info.head_size}) * 0.02);
  }
  bool row_wise() const override { return true; }
  Tensor forward(const plugtune::AttentionIn& in, const plugtune::AttentionNext& next) override {
    return factor_ * next({in.q, in.keys.prepend(keys_, in.k), in.keys.prepend(values_, in.v), in.queries,
                           in.keys.with_prefix(keys_.size(0))});
  }

 private:
  Tensor factor_;         // (A, 1)
  Tensor keys_, values_;  // (2, A, D)
};

class BottleneckPatch final : public plugtune::JunctionPatch {
 public:
  BottleneckPatch(const plugtune::BottleneckOptions& options, double leave_out)
      : leave_out_(leave_out),
        bottleneck_(register_module("bottleneck", std::make_shared<plugtune::Bottleneck>(options))) {
    strength_ = register_buffer("strength", torch::ones({1}));
  }
  bool row_wise() const override { return true; }
  Tensor forward(const plugtune::JunctionIn& in, const plugtune::JunctionNext& next) override {
    Tensor update = bottleneck_->forward(in.h) * strength_;
    if (is_training() && leave_out_ > 0) {
      const Tensor kept = (torch::rand({in.layout.sequences()}) >= leave_out_).to(update.scalar_type());
      update = update * kept.index_select(0, in.layout.row_sequence()).unsqueeze(1);
    }
    return next({in.h + update, in.residual, in.layout});
  }
  void set_strength(double strength) {
    torch::NoGradGuard no_grad;
    strength_.fill_(strength);
  }

 private:
  double leave_out_;
  std::shared_ptr<plugtune::Bottleneck> bottleneck_;
  Tensor strength_;  // (1)
};

class LogitsPatch final : public plugtune::HeadPatch {
 public:
  explicit LogitsPatch(int64_t labels) { offset_ = register_parameter("offset", torch::zeros({labels})); }
  Tensor forward(const plugtune::HeadIn& in, const plugtune::HeadNext& next) override { return next(in) + offset_; }

 private:
  Tensor offset_;  // (labels)
};

class Everything final : public plugtune::Strategy,
                         public plugtune::StepObserver,
                         public plugtune::AuxiliaryLoss,
                         public plugtune::ParamGrouping,
                         public plugtune::CustomState,
                         public plugtune::Reporter {
 public:
  explicit Everything(const ConfigView& config)
      : config_(config),
        scaled_(config.selector({"key", "value"})),
        low_rank_(config.strings("low_rank", {"query", "ffn_down"}), config.string("low_rank_layers", ""),
                  "strategy.low_rank"),
        name_(config.string("name", "sdk-1-0")),
        sites_(config.choice("sites", "all", {"all", "linear"})),
        norms_(config.boolean("norms", true)),
        rows_(config.integer("rows", 2, 1, 100)),
        penalty_(config.number("penalty", 1e-4, 0)),
        reductions_(config.number_or_numbers("reduction_factor", 4)),
        ranks_(config.numbers("ranks")),
        leave_out_(config.integers("leave_out", {}, 0)) {
    config.optional_number("decay", 0);
    config.number_or("scaling", 1.0, {"learned"});
    config.boolean_or("shared", false, {"layers"});
    const ConfigView schedule = config.table("schedule");
    ramp_steps_ = schedule.integer("ramp_steps", 0, 0);
    if (config.has("sources"))
      for (const plugtune::SourceRun& run : config.runs("sources"))
        if (run.tensors.empty()) config.problem("sources", "run '" + run.name + "' has no tensors");
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    const plugtune::ModelInfo& info = model.info();
    for (plugtune::LinearSite* site : model.linears(scaled_)) {
      scales_.push_back(std::make_shared<ScalePatch>(*site));
      site->attach(name_, scales_.back());
      paths_.push_back(site->info().path);
    }
    if (sites_ == "linear") return;
    for (plugtune::LinearSite* site : model.linears(low_rank_)) {
      plugtune::LowRankOptions options;
      const auto rank = ranks_.find(plugtune::role_name(site->info().role));
      options.rank = rank == ranks_.end() ? 2 : static_cast<int64_t>(rank->second);
      updates_.push_back(std::make_shared<LowRankPatch>(*site, options));
      site->attach(name_ + "_low_rank", updates_.back());
    }
    for (plugtune::JunctionSite* site : model.junctions(plugtune::Selector({"after_attention", "after_ffn"}))) {
      if (std::ranges::count(leave_out_, site->info().layer) != 0) continue;
      plugtune::BottleneckOptions options;
      options.hidden_size = info.hidden_size;
      options.width = plugtune::bottleneck_width(info.hidden_size, reductions_.at("default"));
      options.init = plugtune::BottleneckInit::kMam;
      bottlenecks_.push_back(std::make_shared<BottleneckPatch>(options, /*leave_out=*/0.1));
      site->attach(name_, bottlenecks_.back());
    }
    for (int64_t layer = 0; layer < info.layers; ++layer) {
      model.attention(layer).attach(name_, std::make_shared<AttentionPatch>(info));
      model.layer(layer).attach(name_, std::make_shared<GatePatch>());
    }
    model.word_embeddings().attach(name_, std::make_shared<WordPatch>(info.hidden_size));
    model.trunk().attach(name_, std::make_shared<TrunkFactorPatch>());
    model.encoder().attach(name_, std::make_shared<RowsPatch>(rows_, info.hidden_size));
    model.head().attach(name_, std::make_shared<LogitsPatch>(info.labels));
    if (norms_)
      for (const auto& [name, parameter] : model.base_parameters())
        if (name.ends_with("LayerNorm.weight")) model.train_base(name);
    follow_schedule();
  }

  void on_backward_end(int64_t) override {
    gradients_.clear();
    for (const auto& patch : scales_)
      gradients_.push_back(patch->gradient());
  }
  void on_step_end(int64_t step) override {
    step_ = step + 1;
    follow_schedule();
  }
  Tensor auxiliary_loss() override {
    Tensor sum = torch::zeros({});
    for (const auto& update : updates_)
      sum = sum + update->size();
    return penalty_ * sum;
  }
  plugtune::ParamRule rule(const std::string& name) const override {
    if (!name.ends_with("." + name_ + ".scale")) return {};
    return {.learning_rate_scale = 2.0, .weight_decay = 0.0};
  }
  std::string save_state() const override { return "step=" + std::to_string(step_) + ";"; }
  void load_state(const std::string& state) override {
    int64_t step = -1;
    const char* const end = state.data() + state.size();
    if (state.starts_with("step=") && state.ends_with(";")) std::from_chars(state.data() + 5, end, step);
    if (step < 0) throw Error("sdk-1-0: state must be 'step=<number>;', got '" + state + "'");
    step_ = step;
    follow_schedule();
  }
  void report_begin() override {}
  std::vector<plugtune::ReportTable> report_end() override {
    if (gradients_.empty()) return {};
    return {{"gradients", paths_, {"norm"}, torch::tensor(gradients_, torch::kFloat64).unsqueeze(1)}};
  }

 private:
  void follow_schedule() {
    const double share = ramp_steps_ == 0 ? 1.0 : static_cast<double>(step_) / static_cast<double>(ramp_steps_);
    for (const auto& patch : bottlenecks_)
      patch->set_strength(std::min(share, 1.0));
  }

  ConfigView config_;
  plugtune::Selector scaled_, low_rank_;
  std::string name_, sites_;
  bool norms_;
  int64_t rows_;
  double penalty_;
  std::map<std::string, double> reductions_, ranks_;
  std::vector<int64_t> leave_out_;
  int64_t ramp_steps_ = 0, step_ = 0;
  std::vector<std::shared_ptr<ScalePatch>> scales_;
  std::vector<std::shared_ptr<LowRankPatch>> updates_;
  std::vector<std::shared_ptr<BottleneckPatch>> bottlenecks_;
  std::vector<std::string> paths_;
  std::vector<double> gradients_;
};

/// The scales of `sites = "linear"`, as a method of peft that is made up.
class EverythingExchange final : public plugtune::Exchange {
 public:
  bool reads(const plugtune::ForeignAdapter& adapter) const override {
    return adapter.format == "peft" && plugtune::text_at(adapter.config, "peft_type") == "SDK_1_0";
  }
  plugtune::MethodDelta read(plugtune::ForeignAdapter& adapter, plugtune::ForeignTensors& tensors,
                             const plugtune::ExchangeBase& base) const override {
    const ConfigView config(adapter.config, {"adapter_config.json", "SDK_1_0", "", {}});
    const std::vector<std::string> modules = config.strings("target_modules", {});
    plugtune::reject_unknown_fields(config, adapter.config, {"peft_type", "task_type", "base_model_name_or_path"});
    plugtune::MethodDelta delta{ConfigNode{ConfigNode::Table{}}, {}, {}};
    delta.settings.set("sites", {std::string("linear")});
    delta.settings.set("targets", plugtune::array_of(modules));
    for (const std::string& module : modules)
      delta.tensors.emplace_back(module + kOurs,
                                 tensors.take(module + kTheirs, {base.weight(module + ".weight").size(0)}));
    return delta;
  }
  plugtune::ForeignAdapter write(const plugtune::MethodDelta& delta, const std::string& format, const std::string&,
                                 const plugtune::ExchangeBase&) const override {
    const ConfigNode* sites = delta.settings.find("sites");
    if (format != "peft" || sites == nullptr || std::get<std::string>(sites->value) != "linear")
      throw Error("strategy 'sdk-1-0': only sites = \"linear\" has a form, in peft");
    plugtune::ForeignAdapter adapter{"peft", "", ConfigNode{ConfigNode::Table{}}, {}, {}, {}};
    std::vector<std::string> modules;
    for (const auto& [key, tensor] : delta.tensors) {
      modules.push_back(key.substr(0, key.size() - kOurs.size()));
      adapter.tensors.emplace_back(modules.back() + kTheirs, tensor);
    }
    adapter.config.set("peft_type", {std::string("SDK_1_0")});
    adapter.config.set("target_modules", plugtune::array_of(modules));
    return adapter;
  }

 private:
  const std::string kOurs = ".sdk-1-0.scale", kTheirs = ".sdk";
};

}  // namespace

PLUGTUNE_STRATEGY_AND_EXCHANGE(Everything, EverythingExchange, "sdk-1-0", "1.0.0", "uses all of SDK 1.0",
                               PLUGTUNE_FLAG_NOT_IDENTITY)
