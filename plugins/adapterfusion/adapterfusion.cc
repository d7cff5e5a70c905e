// adapterfusion.cc - A layer that attends over the outputs of finished, frozen adapters.   Pfeiffer et al. 2021, arXiv:2005.00247
//
// q: what the adapters read, u_i: the update of adapter i, r: their residual, x: the sub-layer's input.
//   s_i = (W_q q + b_q) . (W_k u_i + b_k),   p = softmax(s / T),   c = sum_i p_i W_v u_i + r,   y = LN(c + x)
// Scores are not divided by sqrt(H), and dropout is on the scores: AdapterFusion as published does it so, and stored
// fusions were trained that way. Numbers as in AdapterHub's library 1.3.0 (BertFusion); what is read and how the junction
// ends follows the last member.
#include <algorithm>

#include "exchange.h"
#include "members.h"
#include "options.h"

namespace {

using adapterfusion::FusionExchange;
using adapterfusion::FusionOptions;
using adapterfusion::Member;
using plugtune::AdapterBlock;
using plugtune::ConfigView;
using plugtune::JunctionIn;
using plugtune::JunctionNext;
using plugtune::JunctionSite;
using torch::Tensor;

// With `temperature` T starts at 50 and falls by a thousandth of that per step, down to 1.
double temperature_at(int64_t step) { return std::max(50.0 - 0.05 * static_cast<double>(step), 1.0); }

class FusionPatch final : public plugtune::AdapterStage {
 public:
  /// @param dropout  of the scores
  FusionPatch(std::vector<std::shared_ptr<AdapterBlock>> members, int64_t hidden, const FusionOptions& options,
              double dropout)
      : options_(options),
        dropout_(dropout),
        members_(std::move(members)) {
    for (size_t i = 0; i < members_.size(); ++i)
      register_module("member_" + std::to_string(i), members_[i]);
    const auto weight = [&](const char* name) {
      return register_parameter(name, torch::empty({hidden, hidden}).normal_(0.0, 0.02));
    };
    const auto bias = [&](const char* name) { return register_parameter(name, torch::zeros({hidden})); };
    if (options.query) query_weight_ = weight("query_weight"), query_bias_ = bias("query_bias");
    if (options.key) key_weight_ = weight("key_weight"), key_bias_ = bias("key_bias");
    if (options.value) value_weight_ = weight("value_weight");
    if (options.value && options.value_initialized) {
      torch::NoGradGuard no_grad;
      value_weight_.fill_(1e-6).fill_diagonal_(1.0);
    }
    if (options.temperature) temperature_ = register_buffer("temperature", torch::full({}, temperature_at(0)));
  }

  Tensor pass(const JunctionIn& in, const JunctionNext& norm) override {
    const AdapterBlock& last = *members_.back();
    const AdapterBlock::Entry entry = last.enter(in, norm);
    std::vector<Tensor> updates;
    for (const auto& member : members_)
      updates.push_back(member->update(entry.z, in.layout));
    Tensor u = torch::stack(updates, 1);  // (N, M, H)
    if (options_.residual_before) u = u + entry.residual.unsqueeze(1);

    const bool reads_h = options_.query_before_ln && !last.options().is_parallel;
    const Tensor p = attention(reads_h ? in.h : entry.z, u);  // (N, M)
    count(p);
    // W_v (sum_i p_i u_i), not sum_i p_i (W_v u_i): one product with W_v instead of M.
    Tensor c = torch::bmm(p.unsqueeze(1), u).squeeze(1);  // (N, H)
    if (options_.value) c = torch::linear(c, value_weight_);
    return options_.residual_before ? c : c + entry.residual;
  }
  Tensor close(const Tensor& y, const JunctionIn& in, const JunctionNext& norm) override {
    return members_.back()->leave(y, in, norm);
  }
  bool row_wise() const override { return true; }

  /// ||I - W_v||^2 in fp32.
  Tensor distance_from_identity() const {
    const Tensor weight = value_weight_.to(torch::kFloat32);
    return (torch::eye(weight.size(0), weight.options()) - weight).square().sum();
  }
  void set_temperature(double temperature) {
    torch::NoGradGuard no_grad;
    temperature_.fill_(temperature);
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
  // (q' = W_q q + b_q) . (W_k u + b_k) as (W_k^T q') . u + q' . b_k: again one product instead of M. The last term is the
  // same for all members, so the softmax does not see it - but the dropout of the scores does.
  Tensor attention(const Tensor& q, const Tensor& u) {
    const Tensor query = options_.query ? torch::linear(q, query_weight_, query_bias_) : q;  // (N, H)
    const Tensor probe = options_.key ? torch::matmul(query, key_weight_) : query;           // (N, H)
    Tensor scores = torch::bmm(u, probe.unsqueeze(2)).squeeze(2);                            // (N, M)
    if (options_.key) scores = scores + torch::matmul(query, key_bias_).unsqueeze(1);
    scores = torch::dropout(scores, dropout_, is_training());
    if (options_.temperature) scores = scores / temperature_;
    return torch::softmax(scores, 1);
  }

  void count(const Tensor& p) {
    if (!is_counting_ || is_training()) return;
    const Tensor sum = p.detach().sum(0, /*keepdim=*/false, torch::kFloat64);
    attention_sum_ = attention_sum_.defined() ? attention_sum_ + sum : sum;
    rows_ += p.size(0);
  }

  FusionOptions options_;
  double dropout_;
  std::vector<std::shared_ptr<AdapterBlock>> members_;
  Tensor query_weight_, query_bias_, key_weight_, key_bias_, value_weight_;  // (H, H) and (H), or undefined
  Tensor temperature_;                                                       // (), or undefined
  bool is_counting_ = false;
  Tensor attention_sum_;  // (M) float64
  int64_t rows_ = 0;
};

class AdapterFusion final : public plugtune::Strategy,
                            public plugtune::AuxiliaryLoss,
                            public plugtune::StepObserver,
                            public plugtune::Reporter {
 public:
  explicit AdapterFusion(const ConfigView& config)
      : config_(config),
        members_(adapterfusion::read_members(config)),
        options_(adapterfusion::read_options(config)),
        name_(config.string("name", "adapterfusion")) {
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    const int64_t hidden = model.info().hidden_size;
    const double dropout = options_.dropout.value_or(model.info().attention_dropout);
    attach_invertible(model);
    std::vector<Tensor> rules(members_.size());  // of members that have PHM: the block at the first place owns it
    for (JunctionSite* place : adapterfusion::places(members_, model, config_)) {
      std::vector<std::shared_ptr<AdapterBlock>> blocks;
      for (size_t i = 0; i < members_.size(); ++i) {
        blocks.push_back(members_[i].block(place->info(), hidden, rules[i], config_));
        rules[i] = blocks.back()->phm_rule;
      }
      patches_.push_back(std::make_shared<FusionPatch>(std::move(blocks), hidden, options_, dropout));
      places_.push_back("layer " + std::to_string(place->info().layer) + " " + plugtune::role_name(place->info().role));
      plugtune::AdapterStage::attach(*place, name_, patches_.back());
    }
  }

  Tensor auxiliary_loss() override {
    if (!options_.value || options_.regularization == 0) return torch::zeros({});
    Tensor sum;
    for (const auto& patch : patches_) {
      const Tensor distance = patch->distance_from_identity();
      sum = sum.defined() ? sum + distance : distance;
    }
    return options_.regularization * sum;
  }

  void on_step_end(int64_t step) override {
    if (!options_.temperature) return;
    for (const auto& patch : patches_)
      patch->set_temperature(temperature_at(step + 1));
  }

  void report_begin() override {
    for (const auto& patch : patches_)
      patch->start_counting();
  }
  std::vector<plugtune::ReportTable> report_end() override {
    plugtune::ReportTable table{
        .title = "AdapterFusion: mean attention to each adapter", .rows = {}, .columns = {}, .values = {}};
    std::vector<Tensor> rows;
    for (size_t i = 0; i < patches_.size(); ++i) {
      const Tensor means = patches_[i]->stop_counting();
      if (!means.defined()) continue;
      rows.push_back(means);
      table.rows.push_back(places_[i]);
    }
    if (rows.empty()) return {};
    for (const Member& member : members_)
      table.columns.push_back(member.run);
    table.values = torch::stack(rows);
    return {table};
  }

 private:
  /// Frozen, as the members are. The first member's works, or none: so it is in the library, which keeps the others too.
  void attach_invertible(plugtune::Model& model) {
    plugtune::NamedCouplings couplings;
    std::shared_ptr<plugtune::NiceCoupling> working;
    for (size_t i = 0; i < members_.size(); ++i) {
      const auto coupling = members_[i].invertible_layer(model.info().hidden_size, config_);
      if (coupling == nullptr) continue;
      couplings.emplace_back("member_" + std::to_string(i), coupling);
      if (i == 0 && !plugtune::AdapterStage::any(model)) working = coupling;
    }
    if (!couplings.empty()) plugtune::attach_invertible(model, name_, couplings, working);
  }

  ConfigView config_;
  std::vector<Member> members_;
  FusionOptions options_;
  std::string name_;
  std::vector<std::shared_ptr<FusionPatch>> patches_;
  std::vector<std::string> places_;  // of patches_, for the report
};

}  // namespace

PLUGTUNE_STRATEGY_AND_EXCHANGE(AdapterFusion, FusionExchange, "adapterfusion", "1.0.0",
                               "attends over the outputs of finished adapters",
                               PLUGTUNE_FLAG_NOT_IDENTITY | PLUGTUNE_FLAG_NEEDS_SETTINGS)
