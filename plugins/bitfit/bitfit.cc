// bitfit.cc - Training what the encoder has already: its biases (BitFit), its LayerNorms, or both.
// Ben Zaken et al. 2022, arXiv:2106.10199; LayerNorm tuning: Zhao et al. 2023, arXiv:2312.11420, as in peft 0.21.
#include "exchange.h"
#include "settings.h"

namespace plugtune::bitfit {
namespace {

class BitFit final : public Strategy {
 public:
  explicit BitFit(const ConfigView& config) : settings_(config) {}

  void apply(Model& model) override {
    const int64_t layers = model.info().layers;
    if (settings_.selector.highest_layer() >= layers) {
      throw settings_.config.error("layers", "the model has layers 0 to " + std::to_string(layers - 1) + ", got " +
                                                 std::to_string(settings_.selector.highest_layer()));
    }
    std::vector<SiteInfo> candidates;
    std::vector<std::string> chosen;
    for (const auto& [name, parameter] : model.base_parameters()) {
      const size_t dot = name.rfind('.');
      const Owner owner = owner_of(name.substr(0, dot));
      if (!settings_.is_of_kind(owner, name.substr(dot + 1))) continue;
      candidates.push_back(owner.site);
      if (settings_.selector.matches(owner.site)) chosen.push_back(name);
    }
    refuse_unmatched(candidates);
    for (const std::string& name : chosen)
      model.train_base(name);
  }

 private:
  void refuse_unmatched(const std::vector<SiteInfo>& candidates) const {
    const std::vector<std::string> unmatched = settings_.selector.unmatched(candidates);
    if (unmatched.empty()) return;
    std::vector<std::string> roles;
    for (const SiteInfo& site : candidates) {
      const std::string role = role_name(site.role);
      if (!role.empty() && std::find(roles.begin(), roles.end(), role) == roles.end()) roles.push_back(role);
    }
    throw settings_.config.error("targets", "nothing of what trains is in '" + unmatched.front() + "'" +
                                                did_you_mean(unmatched.front(), roles) + "; roles: " + join(roles));
  }

  BitFitSettings settings_;
};

}  // namespace
}  // namespace plugtune::bitfit

PLUGTUNE_STRATEGY_AND_EXCHANGE(plugtune::bitfit::BitFit, plugtune::bitfit::BitFitExchange, "bitfit", "1.0.0",
                               "the encoder's own biases or LayerNorms train", 0)
