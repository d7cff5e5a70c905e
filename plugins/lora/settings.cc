// settings.cc - reading LoRA's settings and answering which site has which numbers.
#include "settings.h"

#include <algorithm>
#include <cmath>

namespace plugtune::lora {
namespace {

constexpr Role kEncoderLinears[] = {Role::kQuery,           Role::kKey,   Role::kValue,
                                    Role::kAttentionOutput, Role::kFfnUp, Role::kFfnDown};
constexpr Role kOthers[] = {Role::kPooler, Role::kClassifier, Role::kWordEmbeddings};

int breadth(const std::string& key) {
  if (is_regex(key)) return 2;
  if (!is_path_or_glob(key)) return 3;
  return key.find_first_of("*?") == std::string::npos ? 0 : 1;
}

Selector checked_selector(const ConfigView& config, const std::string& key, const std::vector<std::string>& targets,
                          const std::string& subject = "") {
  try {
    return Selector(targets, "", subject);
  } catch (const Error& error) {
    config.problem(key, std::string(error.what()).substr(subject.size() + 2));  // "subject: text"
    return Selector();
  }
}

std::vector<std::string> without_shorthands(const std::vector<std::string>& targets) {
  std::vector<std::string> expanded;
  for (const std::string& target : targets) {
    if (target != "all-linear") {
      expanded.push_back(target);
      continue;
    }
    for (const Role role : kEncoderLinears)
      expanded.emplace_back(role_name(role));
  }
  return expanded;
}

}  // namespace

std::vector<std::string> lora_roles() {
  std::vector<std::string> roles;
  for (const Role role : kEncoderLinears)
    roles.emplace_back(role_name(role));
  for (const Role role : kOthers)
    roles.emplace_back(role_name(role));
  return roles;
}

bool is_regex(const std::string& target) { return target.size() >= 2 && target.front() == '/' && target.back() == '/'; }
bool is_path_or_glob(const std::string& target) {
  return !is_regex(target) && target.find_first_of(".*?") != std::string::npos;
}

SiteNumbers::SiteNumbers(const ConfigView& config, const std::string& key) {
  const std::vector<std::string> roles = lora_roles();
  for (const auto& [name, number] : config.numbers(key)) {
    const bool is_role = std::ranges::find(roles, name) != roles.end();
    if (!is_role && !is_regex(name) && !is_path_or_glob(name)) {
      const std::string hint = did_you_mean(name, roles);
      config.problem(key,
                     "there is no role '" + name + "'" + (hint.empty() ? "; " : hint + " ") + "roles: " + join(roles));
      continue;
    }
    entries_.push_back({breadth(name), name, number, checked_selector(config, key, {name})});
  }
  std::ranges::stable_sort(entries_, {}, &Entry::breadth);  // by alphabet already
}

std::optional<double> SiteNumbers::at(const SiteInfo& site) const {
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.selector.matches(site); });
  return found == entries_.end() ? std::nullopt : std::optional(found->number);
}

std::string SiteNumbers::unmatched(const std::vector<SiteInfo>& sites) const {
  for (const Entry& entry : entries_) {
    if (entry.breadth < breadth("query") && !entry.selector.unmatched(sites).empty()) return entry.key;
  }
  return "";
}

std::vector<std::pair<std::string, double>> SiteNumbers::entries() const {
  std::vector<std::pair<std::string, double>> pairs;
  for (const Entry& entry : entries_)
    pairs.emplace_back(entry.key, entry.number);
  return pairs;
}

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
  for (const auto& [key, rank] : ranks.entries()) {
    if (rank >= 1 && rank == std::floor(rank)) continue;
    config.problem("ranks", "must be whole numbers of at least 1, got " + c10::str(rank) + " for '" + key + "'");
  }
  const std::string table = subject.substr(0, subject.size() - std::string(".targets").size());
  exclude = checked_selector(config, "exclude", config.strings("exclude", {}), table + ".exclude");
  dora = config.boolean("dora", false);
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
