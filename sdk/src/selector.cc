// selector.cc - roles, globs, regular expressions and layer ranges.
#include "plugtune/selector.h"

#include <algorithm>
#include <charconv>
#include <regex>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

bool is_regex(const std::string& target) { return target.size() >= 2 && target.front() == '/' && target.back() == '/'; }
bool is_glob(const std::string& target) { return target.find_first_of(".*?") != std::string::npos; }

// '*' is any run of characters without a dot, '?' one of them.
bool glob_matches(const char* glob, const char* text) {
  if (*glob == '\0') return *text == '\0';
  if (*glob == '*')
    return glob_matches(glob + 1, text) || (*text != '\0' && *text != '.' && glob_matches(glob, text + 1));
  return *text != '\0' && ((*glob == '?' && *text != '.') || *glob == *text) && glob_matches(glob + 1, text + 1);
}

bool is_encoder_linear(Role role) { return std::ranges::count(encoder_linear_roles(), role) != 0; }

bool target_matches(const std::string& target, const SiteInfo& site) {
  if (target == "all-linear") return is_encoder_linear(site.role);
  if (is_regex(target)) return std::regex_match(site.path, std::regex(target.substr(1, target.size() - 2)));
  if (is_glob(target)) return glob_matches(target.c_str(), site.path.c_str());
  return site.role != Role::kNone && target == role_name(site.role);
}

std::vector<std::pair<int64_t, int64_t>> parse_layers(const std::string& text, const std::string& subject) {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  const Error bad(subject + ": layers must be numbers and ranges like \"0-5,11\", got \"" + text + "\"");
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&] {
    int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value < 0) throw bad;
    at = next;
    return value;
  };
  const auto skip_blanks = [&] {
    while (at != end && *at == ' ')
      ++at;
  };
  for (skip_blanks(); at != end; skip_blanks()) {
    const int64_t first = number();
    int64_t last = first;
    skip_blanks();
    if (at != end && *at == '-') {
      ++at;
      skip_blanks();
      last = number();
    }
    if (last < first) throw bad;
    ranges.emplace_back(first, last);
    skip_blanks();
    if (at != end && *at++ != ',') throw bad;
    if (at == end && text.back() == ',') throw bad;
  }
  return ranges;
}

}  // namespace

std::vector<Role> encoder_linear_roles() {
  return {Role::kQuery, Role::kKey, Role::kValue, Role::kAttentionOutput, Role::kFfnUp, Role::kFfnDown};
}

Selector::Selector() = default;
Selector::~Selector() = default;
Selector::Selector(std::vector<std::string> targets, const std::string& layers, std::string subject)
    : targets_(std::move(targets)),
      layers_(parse_layers(layers, subject)),
      subject_(std::move(subject)) {
  for (const std::string& target : targets_) {
    if (!is_regex(target)) continue;
    try {
      std::regex check(target.substr(1, target.size() - 2));
    } catch (const std::regex_error& error) {
      throw Error(subject_ + ": '" + target + "' is not a regular expression: " + error.what());
    }
  }
}

bool Selector::has_layer(int64_t layer) const {
  return layers_.empty() || std::any_of(layers_.begin(), layers_.end(), [&](const auto& range) {
           return range.first <= layer && layer <= range.second;
         });
}

int64_t Selector::highest_layer() const noexcept {
  int64_t highest = -1;
  for (const auto& range : layers_)
    highest = std::max(highest, range.second);
  return highest;
}

bool Selector::matches(const SiteInfo& site) const {
  // `layers` chooses among the encoder's layers; what is in none of them (pooler, classifier, embeddings) its target alone chooses.
  const bool is_outside = site.layer < 0;
  return (is_outside || has_layer(site.layer)) &&
         std::any_of(targets_.begin(), targets_.end(),
                     [&](const std::string& target) { return target_matches(target, site); });
}

std::vector<std::string> Selector::unmatched(const std::vector<SiteInfo>& sites) const {
  std::vector<std::string> missing;
  for (const std::string& target : targets_) {
    if (std::none_of(sites.begin(), sites.end(), [&](const SiteInfo& site) { return target_matches(target, site); })) {
      missing.push_back(target);
    }
  }
  return missing;
}

}  // namespace v1
}  // namespace plugtune
