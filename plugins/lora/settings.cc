// settings.cc - reading LoRA's settings and answering which site has which numbers.
#include "settings.h"

namespace plugtune::lora {
namespace {

std::vector<std::string> without_shorthands(const std::vector<std::string>& targets) {
  std::vector<std::string> expanded;
  for (const std::string& target : targets) {
    if (target != "all-linear") {
      expanded.push_back(target);
      continue;
    }
    for (const Role role : encoder_linear_roles())
      expanded.emplace_back(role_name(role));
  }
  return expanded;
}

}  // namespace

LoraSettings::LoraSettings(const ConfigView& config) {
  const Selector given = config.selector({"query", "value"});
  targets = without_shorthands(given.targets());
  subject = given.subject();  // "<table>.targets"
  layers = config.string("layers", "");
  bias = config.choice("bias", "none", {"none", "all", "lora_only"});
  name = config.string("name", "lora");
  defaults.rank = config.integer("rank", 8, /*min=*/1);
  defaults.alpha = config.number("alpha", 16);
  defaults.dropout = config.number("dropout", 0, 0, 0.999999);
  defaults.rank_stabilized = config.boolean("rank_stabilized", false);
  const bool is_gaussian = config.choice("init", "kaiming", {"kaiming", "gaussian"}) == "gaussian";
  defaults.init = is_gaussian ? LowRankInit::kGaussian : LowRankInit::kKaiming;
  ranks = SiteNumbers(config, "ranks");
  alphas = SiteNumbers(config, "alphas");
  ranks.check_ranks(config, "ranks");
  const std::string table = subject.substr(0, subject.size() - std::string(".targets").size());
  exclude = checked_selector(config, "exclude", config.strings("exclude", {}), table + ".exclude");
  dora = config.boolean("dora", false);
  gate = config.boolean("gate", false);
  if (gate && dora) config.problem("gate", "is true, and so is dora, which no gate is known for; keep one of the two");
  rate_ratio = config.number("rate_ratio", 1, 0);
  config.reject_unknown();
  selector_ = Selector(targets, layers, subject);
}

bool LoraSettings::chooses(const SiteInfo& site) const { return selector_.matches(site) && !exclude.matches(site); }

LowRankOptions LoraSettings::options(const SiteInfo& site) const {
  LowRankOptions own = defaults;
  if (const auto rank = ranks.at(site)) own.rank = static_cast<int64_t>(*rank);
  if (const auto alpha = alphas.at(site)) own.alpha = *alpha;
  return own;
}

}  // namespace plugtune::lora
