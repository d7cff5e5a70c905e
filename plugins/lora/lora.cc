// lora.cc - Low-rank update of linear weights: y = W x + b + s B A drop(x), s = alpha / r.   Hu et al. 2021, arXiv:2106.09685
//
// rsLoRA: s = alpha / sqrt(r), Kalajdzievski 2023, arXiv:2312.03732. The word embedding: E[ids] + s (A^T)[ids] B^T.
// Names of options and numbers as in peft 0.21.
#include <algorithm>
#include <cmath>

#include "plugtune/plugtune.h"

namespace {

using plugtune::ConfigView;
using plugtune::LinearSite;
using plugtune::LowRankOptions;
using plugtune::Role;
using plugtune::Selector;
using torch::Tensor;

class LoraPatch final : public plugtune::LinearPatch, public plugtune::Foldable {
 public:
  LoraPatch(const LinearSite& site, const LowRankOptions& options)
      : update_(std::make_shared<plugtune::LowRankLinear>(site.in_features(), site.out_features(), options)) {
    register_module("update", update_);
  }
  Tensor forward(const Tensor& x, const plugtune::LinearNext& next) override { return update_->add_to(next(x), x); }
  void fold(Tensor& weight, Tensor&) const override { update_->merge(weight); }

 private:
  std::shared_ptr<plugtune::LowRankLinear> update_;
};

class LoraEmbeddingPatch final : public plugtune::TokenPatch, public plugtune::FoldableEmbedding {
 public:
  LoraEmbeddingPatch(const plugtune::EmbeddingSite& site, const LowRankOptions& options)
      : update_(std::make_shared<plugtune::LowRankEmbedding>(site.weight.size(0), site.weight.size(1), options)) {
    register_module("update", update_);
  }
  Tensor forward(const plugtune::TokenIn& in, const plugtune::TokenNext& next) override {
    return update_->add_to(next(in), in.ids);
  }
  void fold(Tensor& weight) const override { update_->merge(weight); }
  bool row_wise() const override { return true; }

 private:
  std::shared_ptr<plugtune::LowRankEmbedding> update_;
};

constexpr Role kEncoderLinears[] = {Role::kQuery,           Role::kKey,   Role::kValue,
                                    Role::kAttentionOutput, Role::kFfnUp, Role::kFfnDown};

constexpr Role kOthers[] = {Role::kPooler, Role::kClassifier, Role::kWordEmbeddings};

/// `ranks = { query = 16 }`: numbers for single roles.
std::map<std::string, double> numbers_by_role(const ConfigView& config, const std::string& key) {
  std::vector<std::string> roles;
  for (const Role role : kEncoderLinears)
    roles.emplace_back(plugtune::role_name(role));
  for (const Role role : kOthers)
    roles.emplace_back(plugtune::role_name(role));
  const auto numbers = config.numbers(key);
  for (const auto& [role, number] : numbers) {
    if (std::find(roles.begin(), roles.end(), role) != roles.end()) continue;
    const std::string hint = plugtune::did_you_mean(role, roles);
    config.problem(key, "there is no role '" + role + "'" + (hint.empty() ? "; " : hint + " ") +
                            "roles: " + plugtune::join(roles));
  }
  return numbers;
}

class Lora final : public plugtune::Strategy {
 public:
  explicit Lora(const ConfigView& config)
      : selector_(config.selector({"query", "value"})),
        layers_(config.string("layers", "")),
        bias_(config.choice("bias", "none", {"none", "all", "lora_only"})),
        name_(config.string("name", "lora")) {
    defaults_.rank = config.integer("rank", 8, /*min=*/1);
    defaults_.alpha = config.number("alpha", 16);
    defaults_.dropout = config.number("dropout", 0, 0, 0.999999);
    defaults_.rank_stabilized = config.boolean("rank_stabilized", false);
    const bool is_gaussian = config.choice("init", "kaiming", {"kaiming", "gaussian"}) == "gaussian";
    defaults_.init = is_gaussian ? plugtune::LowRankInit::kGaussian : plugtune::LowRankInit::kKaiming;
    ranks_ = numbers_by_role(config, "ranks");
    alphas_ = numbers_by_role(config, "alphas");
    for (const auto& [role, rank] : ranks_) {
      if (rank >= 1 && rank == std::floor(rank)) continue;
      config.problem("ranks", "must be whole numbers of at least 1, got " + c10::str(rank) + " for '" + role + "'");
    }
    config.reject_unknown();
  }

  void apply(plugtune::Model& model) override {
    plugtune::EmbeddingSite& words = model.word_embeddings();
    const auto is_linear = [&](const Selector& target) {
      return std::ranges::any_of(model.all_linear(), [&](LinearSite* site) { return target.matches(site->info()); });
    };
    std::vector<std::string> linear_targets;
    bool is_word_target = false;
    for (const std::string& target : selector_.targets()) {
      // Alone, without layers: the embedding is in none of them.
      const Selector alone({target});
      const bool is_word = alone.matches(words.info());
      is_word_target |= is_word;
      if (target == "all-linear") {
        for (const Role role : kEncoderLinears)
          linear_targets.emplace_back(plugtune::role_name(role));
      } else if (!is_word || is_linear(alone)) {
        linear_targets.push_back(target);
      }
    }
    if (is_word_target) {
      words.attach(name_, std::make_shared<LoraEmbeddingPatch>(words, options(Role::kWordEmbeddings)));
    }
    for (LinearSite* site : model.linears({linear_targets, layers_, selector_.subject()})) {
      site->attach(name_, std::make_shared<LoraPatch>(*site, options(site->info().role)));
      const bool is_classifier = site->info().role == Role::kClassifier;  // trains anyway: the host's business
      if (bias_ == "lora_only" && !is_classifier) model.train_base(site->info().path + ".bias");
    }
    for (const auto& [name, parameter] : model.base_parameters()) {
      if (bias_ == "all" && name.ends_with(".bias")) model.train_base(name);
    }
  }

 private:
  LowRankOptions options(Role role) const {
    LowRankOptions own = defaults_;
    if (const auto rank = ranks_.find(plugtune::role_name(role)); rank != ranks_.end())
      own.rank = static_cast<int64_t>(rank->second);
    if (const auto alpha = alphas_.find(plugtune::role_name(role)); alpha != alphas_.end()) own.alpha = alpha->second;
    return own;
  }

  Selector selector_;
  std::string layers_, bias_, name_;
  LowRankOptions defaults_;
  std::map<std::string, double> ranks_, alphas_;  // of single roles
};

}  // namespace

PLUGTUNE_STRATEGY(Lora, "lora", "1.0.0", "low-rank updates of linear layers and the word embedding", 0)
