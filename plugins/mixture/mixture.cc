// mixture.cc - A mixture, for each token, of what the methods in front of this one do to each linear layer.
//
// x: the layer's input, y = W x + b, y_i: the layer with method i alone, u_i = y_i - y: its update. AdapterFusion's attention
// (Pfeiffer et al. 2021, arXiv:2005.00247) with updates in the place of adapters' outputs:
//   s_i = (W_q x + b_q) . (W_k u_i),   p = softmax(s),   y + v * sum_i p_i u_i
// W_q (d, in) and W_k (d, out) are narrow: square ones, at every layer, would be more than the model. v (out) is what is left of
// W_v. No b_k: it would add the same to all scores. As there, scores are not divided by sqrt(d).
// W_k starts at 0 and v at 1, so every method counts the same, whatever the seed, and methods that agree give what each gives.
#include <algorithm>
#include <utility>

#include "plugtune/plugtune.h"

namespace {

using plugtune::LinearPatch;
using plugtune::LinearSite;
using torch::Tensor;

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
  /// Of the patches that `site` has. @param columns  theirs in the report (M)
  MixturePatch(const LinearSite& site, int64_t width, const Tensor& columns) : site_(site), columns_(columns) {
    for (const auto& [name, patch] : site.patches())
      members_.push_back(std::make_shared<Alone>(site, name, patch));
    attention_sum_ = torch::zeros_like(columns, torch::kFloat64);
    scale_ = register_parameter("scale", torch::ones({site.out_features()}));
    if (members_.size() == 1) return;  // nothing to choose
    query_weight_ = register_parameter("query_weight", torch::empty({width, site.in_features()}).normal_(0.0, 0.02));
    query_bias_ = register_parameter("query_bias", torch::zeros({width}));
    key_weight_ = register_parameter("key_weight", torch::zeros({width, site.out_features()}));
  }

  // `next` is the members one around another, which nobody trained so: it is not called.
  Tensor forward(const Tensor& x, const plugtune::LinearNext&) override {
    const Tensor y = torch::linear(x, site_.weight, site_.bias);  // (N, out)
    std::vector<Tensor> updates;
    for (const auto& member : members_)
      updates.push_back(member->update(x, y));
    const Tensor u = torch::stack(updates, 1);                      // (N, M, out)
    const Tensor p = attention(x, u);                               // (N, M)
    const Tensor mixed = torch::bmm(p.unsqueeze(1), u).squeeze(1);  // (N, out)
    if (!is_training()) attention_sum_ = attention_sum_.to(p.device()) + p.detach().sum(0, false, torch::kFloat64);
    return torch::addcmul(y, mixed, scale_);
  }

  const std::string& path() const { return site_.info().path; }
  /// A row of the report: the members' shares of the attention in evaluation since the last call.  (all columns) float64
  Tensor take_row(int64_t all_columns) {
    const Tensor sum = std::exchange(attention_sum_, torch::zeros_like(attention_sum_)).cpu();
    // Of each token p is 1 in all, so the sum of all is the number of tokens.
    return torch::zeros({all_columns}, torch::kFloat64).index_add(0, columns_, sum / sum.sum().clamp_min(1));
  }

 private:
  // (W_q x + b_q) . (W_k u) as (W_k^T (W_q x + b_q)) . u: one product instead of M.
  Tensor attention(const Tensor& x, const Tensor& u) const {
    if (members_.size() == 1) return torch::ones({x.size(0), 1}, x.options());
    const Tensor probe = torch::matmul(torch::linear(x, query_weight_, query_bias_), key_weight_);  // (N, out)
    return torch::softmax(torch::bmm(u, probe.unsqueeze(2)).squeeze(2), 1);
  }

  const LinearSite& site_;  // that owns this patch
  Tensor columns_;
  std::vector<std::shared_ptr<Alone>> members_;
  Tensor query_weight_, query_bias_, key_weight_;  // (d, in), (d), (d, out); undefined with one member
  Tensor scale_;                                   // v (out)
  Tensor attention_sum_;                           // p over rows (M) float64
};

class Mixture final : public plugtune::Strategy, public plugtune::Reporter {
 public:
  explicit Mixture(const plugtune::ConfigView& config)
      : width_(config.integer("width", 32, /*min=*/1)),
        name_(config.string("name", "mixture")) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    for (LinearSite* site : model.all_linear()) {
      if (site->bare()) continue;
      patches_.push_back(std::make_shared<MixturePatch>(*site, width_, columns_of(*site)));
      site->attach(name_, patches_.back());
    }
    if (!patches_.empty()) return;
    throw plugtune::Error(
        "strategy 'mixture': there is nothing to mix: no strategy in front of it is on a linear layer; write "
        "[[strategy]] from = \"RUN\" in front of it for each finished run");
  }

  void report_begin() override { take_rows(); }  // forgets what was evaluated before
  std::vector<plugtune::ReportTable> report_end() override {
    plugtune::ReportTable table{"Mixture: mean attention to each method", {}, columns_, take_rows()};
    for (const auto& patch : patches_)
      table.rows.push_back(patch->path());
    return {table};
  }

 private:
  Tensor take_rows() {
    std::vector<Tensor> rows;
    for (const auto& patch : patches_)
      rows.push_back(patch->take_row(std::ssize(columns_)));
    return torch::stack(rows);
  }
  Tensor columns_of(const LinearSite& site) {
    std::vector<int64_t> columns;
    for (const auto& [name, patch] : site.patches()) {
      columns.push_back(std::ranges::find(columns_, name) - columns_.begin());
      if (columns.back() == std::ssize(columns_)) columns_.push_back(name);
    }
    return torch::tensor(columns);
  }

  int64_t width_;
  std::string name_;
  std::vector<std::shared_ptr<MixturePatch>> patches_;
  std::vector<std::string> columns_;  // of the report: names of patches
};

}  // namespace

PLUGTUNE_STRATEGY(Mixture, "mixture", "1.0.0", "mixes, for each token, what finished methods do to linear layers",
                  PLUGTUNE_FLAG_NOT_IDENTITY | PLUGTUNE_FLAG_NEEDS_SETTINGS)
