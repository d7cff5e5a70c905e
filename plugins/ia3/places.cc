// places.cc - names of linear layers: ours by role, peft's by the end of a path.
#include "places.h"

#include <algorithm>
#include <map>
#include <regex>

namespace plugtune::ia3 {
namespace {

constexpr const char* kBert = "bert.";  // what stands before a path in peft's model; configurations may spell it out

struct RoleName {
  Role role;
  const char* module;  // within a layer
};
constexpr RoleName kRoles[] = {
    {Role::kQuery, "attention.self.query"}, {Role::kKey, "attention.self.key"},
    {Role::kValue, "attention.self.value"}, {Role::kAttentionOutput, "attention.output.dense"},
    {Role::kFfnUp, "intermediate.dense"},   {Role::kFfnDown, "output.dense"},
};

/// The end that names all places of a role and no other; "" for the feed-forward's second layer, which has none: "output.dense"
/// names attention.output.dense too.
std::string end_of(Role role) {
  switch (role) {
    case Role::kQuery:
      return "query";
    case Role::kKey:
      return "key";
    case Role::kValue:
      return "value";
    case Role::kAttentionOutput:
      return "attention.output.dense";
    case Role::kFfnUp:
      return "intermediate.dense";
    case Role::kPooler:
      return "pooler.dense";
    default:
      return "";
  }
}

using Layers = std::set<int64_t>;

std::map<Role, Layers> layers_by_role(const std::vector<Place>& places) {
  std::map<Role, Layers> layers;
  for (const Place& place : places)
    layers[place.site.role].insert(place.site.layer);
  return layers;
}

Layers all_layers(Role role, const ModelInfo& info) {
  if (role == Role::kPooler) return {-1};
  Layers layers;
  for (int64_t layer = 0; layer < info.layers; ++layer)
    layers.insert(layer);
  return layers;
}

std::string text_of(const Layers& layers) {
  std::vector<std::string> parts;
  for (const int64_t layer : layers)
    parts.push_back(std::to_string(layer));
  return join(parts, ",");
}

}  // namespace

std::vector<Place> all_places(const ModelInfo& info) {
  std::vector<Place> places;
  for (int64_t layer = 0; layer < info.layers; ++layer) {
    for (const RoleName& entry : kRoles) {
      const std::string path = "encoder.layer." + std::to_string(layer) + "." + entry.module;
      places.push_back({{path, entry.role, layer},
                        entry.role == Role::kFfnDown ? info.feed_forward_size : info.hidden_size,
                        entry.role == Role::kFfnUp ? info.feed_forward_size : info.hidden_size});
    }
  }
  places.push_back({{"pooler.dense", Role::kPooler, -1}, info.hidden_size, info.hidden_size});
  return places;
}

ModuleNames::ModuleNames(const ConfigView& config, const ConfigNode& table, const std::string& key) {
  const ConfigNode* node = table.find(key);
  ends_ = config.strings(key, {});
  is_given_ = node != nullptr;
  if (node == nullptr || !std::holds_alternative<std::string>(node->value)) return;
  expression_ = std::get<std::string>(node->value);
  ends_.clear();
  if (expression_ == "all-linear") expression_ = ".*";  // all but the output layer
  try {
    std::regex check(expression_);
  } catch (const std::regex_error&) {
    config.problem(key,
                   "'" + expression_ + "' is no regular expression that is understood here; list the modules instead");
    expression_.clear();
  }
}

bool ModuleNames::matches_expression(const std::string& path) const {
  if (expression_.empty()) return false;
  const std::regex expression(expression_);
  return std::regex_match(kBert + path, expression) || std::regex_match(path, expression);
}

bool ModuleNames::name(const std::string& path) const {
  const std::string whole = "." + (kBert + path);
  return matches_expression(path) ||
         std::ranges::any_of(ends_, [&](const std::string& end) { return whole.ends_with("." + end); });
}

bool ModuleNames::name_loosely(const std::string& path) const {
  const std::string whole = kBert + path;
  return matches_expression(path) ||
         std::ranges::any_of(ends_, [&](const std::string& end) { return whole.ends_with(end); });
}

Targets targets_of(const std::vector<Place>& chosen, const ModelInfo& info) {
  const std::map<Role, Layers> by_role = layers_by_role(chosen);
  Layers used;
  for (const Place& place : chosen)
    used.insert(place.site.layer);
  // Layers that every role shares can be said once. The pooler, in no layer, would fall out of them.
  const bool share_layers =
      std::ranges::all_of(by_role, [&](const auto& entry) { return entry.second == used; }) && !used.contains(-1);
  Targets result;
  if (share_layers && used != all_layers(Role::kQuery, info)) result.layers = text_of(used);
  for (const auto& [role, layers] : by_role) {
    if (share_layers || layers == all_layers(role, info)) {
      result.targets.push_back(role_name(role));
      continue;
    }
    for (const Place& place : chosen)
      if (place.site.role == role) result.targets.push_back(place.site.path);
  }
  return result;
}

PeftModules peft_modules(const std::vector<Place>& chosen, const ModelInfo& info) {
  const std::map<Role, Layers> by_role = layers_by_role(chosen);
  std::map<Role, bool> is_input;
  for (const Place& place : chosen)
    is_input[place.site.role] = place.is_input;
  const auto is_whole = [&](Role role) {
    const auto at = by_role.find(role);
    const bool is_mixed = std::ranges::any_of(
        chosen, [&](const Place& place) { return place.site.role == role && place.is_input != is_input.at(role); });
    return at != by_role.end() && at->second == all_layers(role, info) && !is_mixed;
  };
  // One end for two roles, where both are meant in the same way.
  const bool share_end = is_whole(Role::kAttentionOutput) && is_whole(Role::kFfnDown) &&
                         is_input.at(Role::kAttentionOutput) == is_input.at(Role::kFfnDown);
  std::set<std::string> targets, feedforward;
  for (const Place& place : chosen) {
    const Role role = place.site.role;
    const bool is_dense = role == Role::kAttentionOutput || role == Role::kFfnDown;
    std::string name = is_dense && share_end ? "output.dense" : is_whole(role) ? end_of(role) : "";
    if (name.empty()) name = place.site.path;
    targets.insert(name);
    if (place.is_input) feedforward.insert(name);
  }
  return {{targets.begin(), targets.end()}, {feedforward.begin(), feedforward.end()}};
}

}  // namespace plugtune::ia3
