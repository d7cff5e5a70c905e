// ssf.cc - A scale and a shift of what linear layers give: y = s * (W x + b) + t.   Lian et al. 2022, arXiv:2210.08823
//
// A small method that is whole; docs/recipes.md takes pieces of it.
#include <algorithm>

#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigView;
using plugtune::LinearSite;
using plugtune::SourceRun;
using plugtune::Tensor;

class SsfPatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  explicit SsfPatch(const LinearSite& site) {
    scale_ = register_parameter("scale", torch::ones({site.out_features()}));   // (out)
    shift_ = register_parameter("shift", torch::zeros({site.out_features()}));  // (out)
  }

  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return next(x) * scale_ + shift_;  // (N, out)
  }

  void fold(Tensor& weight, Tensor& bias) const override {
    weight = weight * scale_.unsqueeze(1);  // (out, in)
    bias = bias * scale_ + shift_;          // (out)
  }

  const Tensor& scale() const { return scale_; }

  /// Leaves the scale as it is.
  void freeze_scale() { scale_.set_requires_grad(false); }

  /// Begins with other values than ones and zeros.
  void start_at(const Tensor& scale, const Tensor& shift) {
    torch::NoGradGuard no_grad;
    scale_.copy_(scale);
    shift_.copy_(shift);
  }

 private:
  Tensor scale_, shift_;  // (out)
};

class Ssf final : public plugtune::Strategy, public plugtune::StepObserver, public plugtune::Reporter {
 public:
  explicit Ssf(const ConfigView& config)
      : config_(config),
        targets_(config.selector({"query", "value", "ffn_up", "ffn_down"})),
        trains_scale_(config.boolean("train_scale", true)),
        gradient_factor_(config.number("gradient_factor", 1.0, /*min=*/0.0)) {
    if (!trains_scale_ && gradient_factor_ != 1.0)
      config.problem("gradient_factor", "must be 1 when train_scale is false: there are no gradients of scales");
    if (config.has("sources")) sources_ = config.runs("sources");
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    for (LinearSite* site : model.linears(targets_)) {
      const auto patch = std::make_shared<SsfPatch>(*site);
      if (!trains_scale_) patch->freeze_scale();
      if (!sources_.empty()) {
        const std::string key = site->info().path + ".ssf.";
        patch->start_at(mean_of_sources(key + "scale", patch->scale()), mean_of_sources(key + "shift", patch->scale()));
      }
      site->attach("ssf", patch);
      places_.push_back({site->info().path, patch, 0.0});
    }
  }

  // Gradients are complete and not clipped yet: to look at, and to change in place.
  void on_backward_end(int64_t /*step*/) override {
    for (Place& place : places_) {
      const Tensor gradient = place.patch->scale().grad();
      if (!gradient.defined()) continue;
      gradient.mul_(gradient_factor_);
      place.last_gradient = gradient.norm().item<double>();
    }
  }

  // Around the final evaluation.
  void report_begin() override {}
  std::vector<plugtune::ReportTable> report_end() override {
    plugtune::ReportTable table{"ssf: scales", {}, {"mean distance from 1", "last gradient"}, {}};
    std::vector<double> values;
    for (const Place& place : places_) {
      table.rows.push_back(place.path);
      values.push_back((place.patch->scale().detach() - 1).abs().mean().item<double>());
      values.push_back(place.last_gradient);
    }
    table.values = torch::tensor(values, torch::kFloat64).view({-1, 2});  // (rows, columns)
    return {table};
  }

 private:
  struct Place {
    std::string path;
    std::shared_ptr<SsfPatch> patch;
    double last_gradient;
  };

  /// The mean of what the finished runs have at a key of their deltas.
  Tensor mean_of_sources(const std::string& key, const Tensor& like) const {
    std::vector<Tensor> found;
    for (const SourceRun& run : sources_) {
      const auto at = std::ranges::find(run.tensors, key, &std::pair<std::string, Tensor>::first);
      if (at == run.tensors.end())
        throw config_.error("sources", "run '" + run.name + "' has no '" + key + "'; was it trained by ssf, here?");
      if (at->second.sizes() != like.sizes())
        throw config_.error("sources", "run '" + run.name + "' is of a model of other measures at '" + key + "'");
      found.push_back(at->second);
    }
    return torch::stack(found).mean(0);
  }

  ConfigView config_;
  plugtune::Selector targets_;
  bool trains_scale_;
  double gradient_factor_;
  std::vector<SourceRun> sources_;
  std::vector<Place> places_;
};

}  // namespace

PLUGTUNE_STRATEGY(Ssf, "ssf", "1.0.0", "a scale and a shift of what linear layers give", 0)
