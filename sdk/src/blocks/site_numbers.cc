// site_numbers.cc - reading numbers of single sites, and which of them a site has.
#include "plugtune/blocks/site_numbers.h"

#include <algorithm>
#include <cmath>

namespace plugtune {
inline namespace v1 {
namespace {

std::vector<std::string> tunable_roles() {
  std::vector<Role> tunable = encoder_linear_roles();
  tunable.insert(tunable.end(), {Role::kPooler, Role::kClassifier, Role::kWordEmbeddings});
  std::vector<std::string> roles;
  for (const Role role : tunable)
    roles.emplace_back(role_name(role));
  return roles;
}

int breadth_of(const std::string& key) {
  if (is_regex_target(key)) return 2;
  if (!is_path_target(key)) return 3;
  return key.find_first_of("*?") == std::string::npos ? 0 : 1;
}

}  // namespace

bool is_regex_target(const std::string& target) {
  return target.size() >= 2 && target.front() == '/' && target.back() == '/';
}

bool is_path_target(const std::string& target) {
  return !is_regex_target(target) && target.find_first_of(".*?") != std::string::npos;
}

Selector checked_selector(const ConfigView& config, const std::string& key, const std::vector<std::string>& targets,
                          const std::string& subject) {
  try {
    return Selector(targets, "", subject);
  } catch (const Error& error) {
    config.problem(key, std::string(error.what()).substr(subject.size() + 2));  // "subject: text"
    return Selector();
  }
}

SiteNumbers::SiteNumbers(const ConfigView& config, const std::string& key) {
  const std::vector<std::string> roles = tunable_roles();
  for (const auto& [name, number] : config.numbers(key)) {
    const bool is_role = std::ranges::find(roles, name) != roles.end();
    if (!is_role && !is_regex_target(name) && !is_path_target(name)) {
      const std::string hint = did_you_mean(name, roles);
      config.problem(key,
                     "there is no role '" + name + "'" + (hint.empty() ? "; " : hint + " ") + "roles: " + join(roles));
      continue;
    }
    entries_.push_back({breadth_of(name), name, number, checked_selector(config, key, {name}, "")});
  }
  std::ranges::stable_sort(entries_, {}, &Entry::breadth);  // by alphabet already
}

std::optional<double> SiteNumbers::at(const SiteInfo& site) const {
  const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.selector.matches(site); });
  return found == entries_.end() ? std::nullopt : std::optional(found->number);
}

void SiteNumbers::check_matched(const ConfigView& config, const std::string& key,
                                const std::vector<SiteInfo>& patched) const {
  for (const Entry& entry : entries_) {
    if (entry.breadth == breadth_of("query") || entry.selector.unmatched(patched).empty()) continue;
    throw config.error(key, "'" + entry.key + "' matches none of the targets; their paths look like '" +
                                (patched.empty() ? "" : patched.back().path) + "'");
  }
}

void SiteNumbers::check_ranks(const ConfigView& config, const std::string& key) const {
  for (const Entry& entry : entries_) {
    if (entry.number >= 1 && entry.number == std::floor(entry.number)) continue;
    config.problem(key,
                   "must be whole numbers of at least 1, got " + c10::str(entry.number) + " for '" + entry.key + "'");
  }
}

std::vector<std::pair<std::string, double>> SiteNumbers::entries() const {
  std::vector<std::pair<std::string, double>> pairs;
  for (const Entry& entry : entries_)
    pairs.emplace_back(entry.key, entry.number);
  return pairs;
}

}  // namespace v1
}  // namespace plugtune
