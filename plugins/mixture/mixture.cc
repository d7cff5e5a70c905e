// mixture.cc - A mixture, for each token, of what finished methods do to each linear layer.
//
// x: the layer's input, y = W x + b, y_i: the layer with method i alone, u_i = y_i - y: its update. AdapterFusion's attention
// (Pfeiffer et al. 2021, arXiv:2005.00247) with updates in the place of adapters' outputs:
//   s_i = (W_q x + b_q) . (W_k u_i),   p = softmax(s),   y + v * sum_i p_i u_i
// W_q (d, in) and W_k (d, out) are narrow: square ones, at every layer, would be more than the model. v (out) is what is left of
// W_v. No b_k: it would add the same to all scores. As there, scores are not divided by sqrt(d).
// W_k starts at 0 and v at 1, so every method counts the same, whatever the seed, and methods that agree give what each gives.
#include <algorithm>
#include <map>

#include "plugtune/blocks/site_numbers.h"
#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigView;
using plugtune::LinearNext;
using plugtune::LinearPatch;
using plugtune::LinearSite;
using plugtune::LowRankLinear;
using plugtune::LowRankOptions;
using plugtune::SourceRun;
using torch::Tensor;

constexpr const char* kSources = "sources";

/// What a finished run's LoRA adds at one layer, frozen.
class FrozenLora final : public LinearPatch {
 public:
  FrozenLora(const LinearSite& site, const LowRankOptions& options, const Tensor& a, const Tensor& b)
      : update_(register_module("update",
                                std::make_shared<LowRankLinear>(site.in_features(), site.out_features(), options))) {
    torch::NoGradGuard no_grad;
    update_->a.copy_(a).set_requires_grad(false);
    update_->b.copy_(b).set_requires_grad(false);
  }
  Tensor forward(const Tensor& x, const LinearNext& next) override { return update_->add_to(next(x), x); }

 private:
  std::shared_ptr<LowRankLinear> update_;
};

/// A finished run of strategy 'lora'.
class Source {
 public:
  /// Notes in `config` why the run cannot be mixed.
  Source(const SourceRun& run, const ConfigView& config) : run_(run.name) {
    if (run.methods.size() != 1 || run.methods.front().name != "lora") {
      std::vector<std::string> methods;
      for (const auto& method : run.methods)
        methods.push_back(method.name);
      config.problem(kSources,
                     "run '" + run_ + "' was tuned with '" + plugtune::join(methods, "', '") +
                         "'; a source must be tuned with one strategy 'lora', others are taken by [[strategy]] "
                         "from in front of this one");
      return;
    }
    const ConfigView settings(run.methods.front().settings, {"run '" + run_ + "'", "strategy 'lora'", "", {}});
    options_.alpha = settings.number("alpha", options_.alpha);
    options_.rank_stabilized = settings.boolean("rank_stabilized", false);
    alphas_ = plugtune::SiteNumbers(settings, "alphas");
    const std::string patch = "." + settings.string("name", "lora") + ".update.";
    for (const auto& [key, tensor] : run.tensors) {
      const size_t at = key.find(patch);
      const bool is_linear = at != std::string::npos && !key.starts_with("embeddings.");
      if (is_linear) updates_[key.substr(0, at)][key.substr(at + patch.size())] = tensor;
      if (is_linear || key.starts_with("classifier.") || key.starts_with("pooler.") || key.starts_with("cls."))
        continue;
      config.problem(kSources, "run '" + run_ + "' trained '" + key +
                                   "' too, which is no low-rank update of a linear layer; take the run by [[strategy]] "
                                   "from in front of this one");
      return;
    }
  }

  /// Throws Error when the run belongs to another model. @param runs  gets each patch and this run's name
  void attach(plugtune::Model& model, const std::string& name, const ConfigView& config,
              std::map<const LinearPatch*, std::string>& runs) const {
    std::map<std::string, std::map<std::string, Tensor>> left = updates_;
    for (LinearSite* site : model.all_linear()) {
      const auto at = left.find(site->info().path);
      if (at == left.end()) continue;
      const Tensor a = at->second["a"], b = at->second["b"];
      const bool are_matrices = a.defined() && b.defined() && a.dim() == 2 && b.dim() == 2;
      if (!are_matrices || a.size(0) != b.size(1) || a.size(1) != site->in_features() ||
          b.size(0) != site->out_features())
        break;
      LowRankOptions options = options_;
      options.rank = a.size(0);
      options.alpha = alphas_.at(site->info()).value_or(options.alpha);
      const auto patch = std::make_shared<FrozenLora>(*site, options, a, b);
      site->attach(name, patch);
      runs.emplace(patch.get(), run_);
      left.erase(at);
    }
    if (left.empty()) return;
    throw config.error(kSources, "run '" + run_ + "' has an update of '" + left.begin()->first +
                                     "' that does not fit this model; a source must be tuned on the same model");
  }

 private:
  std::string run_;
  LowRankOptions options_;  // all but the rank
  plugtune::SiteNumbers alphas_;
  std::map<std::string, std::map<std::string, Tensor>> updates_;  // site path -> "a" (r, in), "b" (out, r)
};

/// A layer as it is with one of its patches alone. The patch stays the model's: nothing of it is saved here.
class Alone final : public plugtune::Site<Tensor> {
 public:
  Alone(const LinearSite& site, const std::string& name, const std::shared_ptr<LinearPatch>& patch)
      : plugtune::Site<Tensor>(site.info()),
        site_(site) {
    attach(name, patch);
  }
  /// u_i.  (N, out)  @param y  W x + b, which most methods build on and need not compute again
  Tensor update(const Tensor& x, const Tensor& y) {
    x_ = x;
    y_ = y;
    const Tensor own = forward(x);
    x_ = y_ = Tensor();
    return own - y;
  }

 protected:
  Tensor base(const Tensor& x) override { return x.is_same(x_) ? y_ : torch::linear(x, site_.weight, site_.bias); }

 private:
  const LinearSite& site_;  // that owns the patch, and the mixture
  Tensor x_, y_;            // while update() runs
};

class MixturePatch final : public LinearPatch {
 public:
  /// Of the patches that `site` has.
  MixturePatch(const LinearSite& site, int64_t width) : site_(site) {
    for (const auto& [name, patch] : site.patches())
      members_.push_back(std::make_shared<Alone>(site, name, patch));
    scale_ = register_parameter("scale", torch::ones({site.out_features()}));
    if (members_.size() == 1) return;  // nothing to choose
    query_weight_ = register_parameter("query_weight", torch::empty({width, site.in_features()}).normal_(0.0, 0.02));
    query_bias_ = register_parameter("query_bias", torch::zeros({width}));
    key_weight_ = register_parameter("key_weight", torch::zeros({width, site.out_features()}));
  }

  // `next` is the members one around another, which nobody trained so: it is not called.
  Tensor forward(const Tensor& x, const LinearNext&) override {
    const Tensor y = torch::linear(x, site_.weight, site_.bias);  // (N, out)
    std::vector<Tensor> updates;
    for (const auto& member : members_)
      updates.push_back(member->update(x, y));
    const Tensor u = torch::stack(updates, 1);                      // (N, M, out)
    const Tensor p = attention(x, u);                               // (N, M)
    const Tensor mixed = torch::bmm(p.unsqueeze(1), u).squeeze(1);  // (N, out)
    count(p);
    return torch::addcmul(y, mixed, scale_);
  }

  void start_counting() {
    is_counting_ = true;
    attention_sum_ = Tensor();
    rows_ = 0;
  }
  /// Each member's attention, the mean over the rows since start_counting(); undefined when there were none.  (M) float64
  Tensor stop_counting() {
    is_counting_ = false;
    return rows_ == 0 ? Tensor() : attention_sum_.to(torch::kCPU) / rows_;
  }

 private:
  // (W_q x + b_q) . (W_k u) as (W_k^T (W_q x + b_q)) . u: one product instead of M.
  Tensor attention(const Tensor& x, const Tensor& u) const {
    if (members_.size() == 1) return torch::ones({x.size(0), 1}, x.options());
    const Tensor probe = torch::matmul(torch::linear(x, query_weight_, query_bias_), key_weight_);  // (N, out)
    return torch::softmax(torch::bmm(u, probe.unsqueeze(2)).squeeze(2), 1);
  }

  void count(const Tensor& p) {
    if (!is_counting_ || is_training()) return;
    const Tensor sum = p.detach().sum(0, /*keepdim=*/false, torch::kFloat64);
    attention_sum_ = attention_sum_.defined() ? attention_sum_ + sum : sum;
    rows_ += p.size(0);
  }

  const LinearSite& site_;  // that owns this patch
  std::vector<std::shared_ptr<Alone>> members_;
  Tensor query_weight_, query_bias_, key_weight_;  // (d, in), (d), (d, out); undefined with one member
  Tensor scale_;                                   // v (out)
  bool is_counting_ = false;
  Tensor attention_sum_;  // (M) float64
  int64_t rows_ = 0;
};

class Mixture final : public plugtune::Strategy, public plugtune::Reporter {
 public:
  explicit Mixture(const ConfigView& config)
      : config_(config),
        width_(config.integer("width", 32, /*min=*/1)),
        name_(config.string("name", "mixture")) {
    if (config.has(kSources)) {
      for (const SourceRun& run : config.runs(kSources))
        sources_.emplace_back(run, config);
    }
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    std::map<const LinearPatch*, std::string> runs;
    for (const Source& source : sources_)
      source.attach(model, name_ + "_member", config_, runs);
    for (LinearSite* site : model.all_linear()) {
      if (site->bare()) continue;
      std::vector<int64_t> columns;
      for (const auto& [name, patch] : site->patches())
        columns.push_back(column(runs.contains(patch.get()) ? runs.at(patch.get()) : name));
      places_.push_back({site->info().path, torch::tensor(columns), std::make_shared<MixturePatch>(*site, width_)});
      site->attach(name_, places_.back().patch);
    }
    if (!places_.empty()) return;
    throw config_.error(kSources,
                        "no run is named, and no strategy in front of this one is on a linear layer: there is "
                        "nothing to mix");
  }

  void report_begin() override {
    for (const Place& place : places_)
      place.patch->start_counting();
  }
  std::vector<plugtune::ReportTable> report_end() override {
    plugtune::ReportTable table{
        .title = "Mixture: mean attention to each method", .rows = {}, .columns = columns_, .values = {}};
    std::vector<Tensor> rows;
    const Tensor none = torch::zeros({static_cast<int64_t>(columns_.size())}, torch::kFloat64);
    for (const Place& place : places_) {
      const Tensor means = place.patch->stop_counting();
      if (!means.defined()) continue;
      table.rows.push_back(place.path);
      rows.push_back(none.index_add(0, place.columns, means));
    }
    if (rows.empty()) return {};
    table.values = torch::stack(rows);
    return {table};
  }

 private:
  struct Place {
    std::string path;
    Tensor columns;  // of the patch's members in the report
    std::shared_ptr<MixturePatch> patch;
  };

  /// Of a run, or of a patch by its name.
  int64_t column(const std::string& member) {
    const auto at = std::ranges::find(columns_, member);
    const int64_t index = at - columns_.begin();
    if (at == columns_.end()) columns_.push_back(member);
    return index;
  }

  ConfigView config_;
  int64_t width_;
  std::string name_;
  std::vector<Source> sources_;
  std::vector<Place> places_;
  std::vector<std::string> columns_;  // of the report
};

}  // namespace

PLUGTUNE_STRATEGY(Mixture, "mixture", "1.0.0", "mixes, for each token, what finished methods do to linear layers",
                  PLUGTUNE_FLAG_NOT_IDENTITY | PLUGTUNE_FLAG_NEEDS_SETTINGS)
