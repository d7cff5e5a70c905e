// adapterfusion.cc - A layer that attends over the outputs of finished, frozen adapters.   Pfeiffer et al. 2021, arXiv:2005.00247
#include "exchange.h"
#include "members.h"
#include "patch.h"

namespace {

using adapterfusion::FusionExchange;
using adapterfusion::FusionOptions;
using adapterfusion::FusionPatch;
using adapterfusion::Member;
using plugtune::AdapterBlock;
using plugtune::ConfigView;
using plugtune::JunctionSite;
using torch::Tensor;

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
      patch->set_temperature(adapterfusion::temperature_at(step + 1));
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
