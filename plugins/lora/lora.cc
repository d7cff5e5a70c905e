// lora.cc - Low-rank update of linear weights: y = W x + b + s B A drop(x), s = alpha / r.
//
// Hu et al. 2021, arXiv:2106.09685.
// rsLoRA: s = alpha / sqrt(r), Kalajdzievski 2023, arXiv:2312.03732. DoRA: Liu et al. 2024, arXiv:2402.09353.
// LoRA+: a rate of its own for B, Hayou et al. 2024, arXiv:2402.12354. Gated: UniPELT, Mao et al. 2022, arXiv:2110.07577.
#include <set>

#include "gates.h"
#include "patches.h"
#include "settings.h"

namespace {

using plugtune::ConfigView;
using plugtune::EmbeddingSite;
using plugtune::LayerView;
using plugtune::LinearSite;
using plugtune::Role;
using plugtune::Selector;
using plugtune::SiteInfo;
using plugtune::lora::LoraSettings;

class Lora final : public plugtune::Strategy, public plugtune::ParamGrouping {
 public:
  explicit Lora(const ConfigView& config) : config_(config), settings_(config) {}

  void apply(plugtune::Model& model) override {
    check_excluded(model);
    std::vector<SiteInfo> patched;
    std::map<int64_t, std::shared_ptr<LayerView>> views;  // of gated layers
    EmbeddingSite& words = model.word_embeddings();
    if (settings_.chooses(words.info())) {
      if (settings_.gate) refuse_gate(words.info());
      attach_to(words);
      patched.push_back(words.info());
    }
    for (LinearSite* site : model.linears({linear_targets(model), settings_.layers, settings_.subject})) {
      if (settings_.excludes(site->info())) continue;
      settings_.gate ? attach_gated(*site, model, views) : attach_to(*site);
      patched.push_back(site->info());
      const bool is_classifier = site->info().role == Role::kClassifier;  // trains anyway: the host's business
      if (settings_.bias == "lora_only" && !is_classifier) model.train_base(site->info().path + ".bias");
    }
    settings_.ranks.check_matched(config_, "ranks", patched);
    settings_.alphas.check_matched(config_, "alphas", patched);
    if (settings_.bias != "all") return;
    for (const auto& [name, parameter] : model.base_parameters())
      if (name.ends_with(".bias")) model.train_base(name);
  }

  plugtune::ParamRule rule(const std::string& name) const override {
    plugtune::ParamRule rule;
    if (own_b_.contains(name)) rule.learning_rate_scale = settings_.rate_ratio;
    return rule;
  }

 private:
  /// Targets without those that mean the word embedding alone: that no linear layer matches them is no mistake.
  std::vector<std::string> linear_targets(plugtune::Model& model) const {
    std::vector<std::string> targets;
    for (const std::string& target : settings_.targets) {
      const Selector alone({target});
      const bool is_word = alone.matches(model.word_embeddings().info());
      const bool is_linear =
          std::ranges::any_of(model.all_linear(), [&](const LinearSite* site) { return alone.matches(site->info()); });
      if (!is_word || is_linear) targets.push_back(target);
    }
    return targets;
  }

  /// Another LoRA's patch at a site of its own may be called as ours is at this one.
  template <class AnySite, class Patch>
  void attach(AnySite& site, std::shared_ptr<Patch> patch) {
    site.attach(settings_.name, std::move(patch));
    own_b_.insert(site.info().path + "." + site.patches().back().first + ".update.b");
  }

  void attach_to(LinearSite& site) {
    const plugtune::LowRankOptions options = settings_.options(site.info());
    if (settings_.dora) {
      attach(site, std::make_shared<plugtune::lora::DoraPatch>(site, options));
    } else {
      attach(site, std::make_shared<plugtune::lora::LoraPatch>(site, options));
    }
  }

  void attach_gated(LinearSite& site, plugtune::Model& model, std::map<int64_t, std::shared_ptr<LayerView>>& views) {
    const int64_t layer = site.info().layer;
    if (layer < 0) refuse_gate(site.info());
    std::shared_ptr<LayerView>& view = views[layer];
    if (view == nullptr) model.layer(layer).attach(settings_.name, view = std::make_shared<LayerView>());
    attach(site, std::make_shared<plugtune::lora::GatedLoraPatch>(site, settings_.options(site.info()), view));
  }

  [[noreturn]] void refuse_gate(const SiteInfo& site) const {
    throw config_.error("gate",
                        "is true, and '" + site.path +
                            "' is in no layer, where a gate has no sequences to look at; take it out of targets");
  }

  void attach_to(EmbeddingSite& words) {
    const plugtune::LowRankOptions options = settings_.options(words.info());
    if (settings_.dora) {
      attach(words, std::make_shared<plugtune::lora::DoraEmbeddingPatch>(words, options));
    } else {
      attach(words, std::make_shared<plugtune::lora::LoraEmbeddingPatch>(words, options));
    }
  }

  void check_excluded(plugtune::Model& model) const {
    for (const std::string& target : settings_.exclude.targets()) {
      if (Selector({target}).matches(model.word_embeddings().info())) continue;
      model.linears({{target}, "", settings_.exclude.subject()});
    }
  }

  ConfigView config_;
  LoraSettings settings_;
  std::set<std::string> own_b_;
};

}  // namespace

PLUGTUNE_STRATEGY_AND_EXCHANGE(Lora, plugtune::lora::GatedLoraExchange, "lora", "1.0.0",
                               "low-rank updates of linear layers and the word embedding", 0)
