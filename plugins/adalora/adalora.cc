// adalora.cc - Low-rank updates that share one budget of ranks: y = W x + s B (E * A) drop(x), s = alpha / init_rank.
//
// Zhang et al. 2023, arXiv:2303.10512; numbers as in peft 0.21, also where it leaves the paper (README.md). A triplet: a row of
// A, its singular value in E, a column of B. On the way to target_rank the least important of all layers lose their value.
#include <cmath>
#include <numeric>

#include "plugtune/plugtune.h"

namespace {

using torch::Tensor;

/// ||X X^T - I|| of the rows of a matrix.
Tensor distance_from_orthogonal(const Tensor& rows) {
  const Tensor x = rows.to(torch::promote_types(rows.scalar_type(), torch::kFloat32));
  return (torch::matmul(x, x.t()) - torch::eye(x.size(0), x.options())).norm();
}

class AdaloraPatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  AdaloraPatch(const plugtune::LinearSite& site, int64_t rank, double alpha, double dropout)
      : dropout_(dropout),
        scale_(alpha / (static_cast<double>(rank) + 1e-5)) {  // 1e-5: peft's
    a = register_parameter("a", torch::empty({rank, site.in_features()}).normal_(0, 0.02));
    e = register_parameter("e", torch::zeros({rank, 1}));
    b = register_parameter("b", torch::empty({site.out_features(), rank}).normal_(0, 0.02));
    const int64_t width = 1 + site.in_features() + site.out_features();
    history = torch::zeros({rank, width + width + 1});
    const std::vector<Tensor> parts = history.split_with_sizes({width, width, 1}, 1);
    sensitivity_ = parts[0], uncertainty_ = parts[1], kept = parts[2].fill_(1);
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override {
    return next(x) + scale_ * torch::linear(torch::linear(torch::dropout(x, dropout_, is_training()), a * e), b);
  }
  void fold(Tensor& weight, Tensor&) const override {
    const auto in_type = [&](const Tensor& tensor) { return tensor.to(weight.scalar_type()); };
    weight += scale_ * torch::matmul(in_type(b), in_type(a) * in_type(e));
  }
  /// Smooths the importance |value * gradient| of each number of the triplets, and how far it is from what it was.
  void observe(double beta1, double beta2) {
    const Tensor now = (torch::cat({e, a, b.t()}, 1) * torch::cat({e.grad(), a.grad(), b.grad().t()}, 1)).abs();
    sensitivity_.mul_(beta1).add_(now, 1 - beta1);
    uncertainty_.mul_(beta2).add_((now - sensitivity_).abs(), 1 - beta2);
  }
  /// Of each triplet: of its value, and the means of its row and its column.  (r, 1)
  Tensor scores() const {
    const std::vector<Tensor> of = (sensitivity_ * uncertainty_).split_with_sizes({1, a.size(1), b.size(0)}, 1);
    return of[0] + (of[1].mean(1, /*keepdim=*/true) + of[2].mean(1, /*keepdim=*/true));
  }
  void drop_others() { e.mul_(kept); }
  Tensor a, e, b;  ///< (r, in), (r, 1), (out, r)
  Tensor history;  ///< fp32, a triplet in each row: what a checkpoint needs beside the parameters
  Tensor kept;     ///< (r, 1), of history: 0 where the newest allocation left a triplet out, else 1

 private:
  double dropout_, scale_;
  Tensor sensitivity_, uncertainty_;  // (r, 1 + in + out), of history
};

class Adalora final : public plugtune::Strategy,
                      public plugtune::AuxiliaryLoss,
                      public plugtune::PlanObserver,
                      public plugtune::StepObserver,
                      public plugtune::FinalForm,
                      public plugtune::CustomState {
 public:
  explicit Adalora(const plugtune::ConfigView& config)
      : config_(config),
        targets_(config.selector({"query", "value"})),
        name_(config.string("name", "adalora")),
        init_rank_(config.integer("init_rank", 12, /*min=*/1)),
        target_rank_(config.integer("target_rank", 8, /*min=*/1, /*max=*/init_rank_)),
        initial_steps_(config.integer("initial_steps", 0, /*min=*/0)),
        final_steps_(config.integer("final_steps", 0, /*min=*/0)),
        interval_(config.integer("interval", 1, /*min=*/1)),
        alpha_(config.number("alpha", 8)),
        dropout_(config.number("dropout", 0, 0, 0.999999)),
        orthogonal_weight_(config.number("orthogonal_weight", 0.5, 0)),
        beta1_(config.number("beta1", 0.85, 0, 0.999999)),
        beta2_(config.number("beta2", 0.85, 0, 0.999999)) {
    config.reject_unknown();
  }
  void apply(plugtune::Model& model) override {
    for (plugtune::LinearSite* site : model.linears(targets_))
      site->attach(name_, patches_.emplace_back(std::make_shared<AdaloraPatch>(*site, init_rank_, alpha_, dropout_)));
  }
  void on_train_begin(const plugtune::TrainingPlan& plan) override {
    last_ = plan.steps - final_steps_;  // the step of the last allocation
    if (last_ <= initial_steps_)
      throw config_.error("final_steps", "must leave, with initial_steps, steps to shrink in");
  }
  Tensor auxiliary_loss() override {
    Tensor sum = torch::zeros({});
    for (const auto& patch : patches_)
      sum = sum + distance_from_orthogonal(patch->a) + distance_from_orthogonal(patch->b.t());
    return orthogonal_weight_ * sum / (2 * static_cast<double>(patches_.size()));
  }
  void on_step_end(int64_t step) override {
    const torch::NoGradGuard no_grad;
    for (const auto& patch : patches_)
      if (step != last_) step < last_ ? patch->observe(beta1_, beta2_) : patch->drop_others();
    if (step == last_ || (step > initial_steps_ && step < last_ && step % interval_ == 0))
      allocate(1 - static_cast<double>(step - initial_steps_) / static_cast<double>(last_ - initial_steps_));
  }
  bool has_final_form() const override {
    const auto add = [](int64_t sum, const auto& patch) { return sum + patch->kept.sum().template item<int64_t>(); };
    return std::accumulate(patches_.begin(), patches_.end(), int64_t{0}, add) <= target_rank_ * std::ssize(patches_);
  }
  std::string save_state() const override {
    std::string bytes(kState);
    for (const auto& patch : patches_)
      bytes.append(static_cast<const char*>(patch->history.data_ptr()), patch->history.nbytes());
    return bytes;
  }
  void load_state(const std::string& bytes) override {
    if (!bytes.starts_with(kState) || bytes.size() != save_state().size())
      throw plugtune::Error("strategy 'adalora': the state is not one of these triplets");
    size_t at = kState.size();
    for (const auto& patch : patches_)
      at += bytes.copy(static_cast<char*>(patch->history.data_ptr()), patch->history.nbytes(), at);
  }

 private:
  static constexpr std::string_view kState = "adalora 1\n";
  /// Leaves as many triplets as the budget has: from init_rank to target_rank as the cube of the way that is left.
  void allocate(double way_left) {
    const int64_t sites = std::ssize(patches_), all = init_rank_ * sites, least = target_rank_ * sites;
    const double budget = static_cast<double>(all - least) * std::pow(way_left, 3) + static_cast<double>(least);
    const int64_t dropped = all - static_cast<int64_t>(budget);
    if (dropped == 0) return;
    std::vector<Tensor> scores;
    for (const auto& patch : patches_)
      scores.push_back(patch->scores());
    const Tensor threshold = std::get<0>(torch::cat(scores).flatten().kthvalue(dropped));
    for (size_t i = 0; i < scores.size(); ++i)
      patches_[i]->kept.copy_(scores[i] > threshold), patches_[i]->drop_others();
  }

  plugtune::ConfigView config_;
  plugtune::Selector targets_;
  std::string name_;
  int64_t init_rank_, target_rank_, initial_steps_, final_steps_, interval_, last_ = 0;
  double alpha_, dropout_, orthogonal_weight_, beta1_, beta2_;
  std::vector<std::shared_ptr<AdaloraPatch>> patches_;
};

}  // namespace

PLUGTUNE_STRATEGY(Adalora, "adalora", "1.0.0", "low-rank updates that share a shrinking budget of ranks", 0)
