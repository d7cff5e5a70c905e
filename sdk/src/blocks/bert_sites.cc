// bert_sites.cc - BERT's linear layers by name, and the shortest targets that mean some of them.
#include "plugtune/blocks/bert_sites.h"

#include <algorithm>
#include <map>
#include <set>

#include "plugtune/exchange.h"

namespace plugtune {
inline namespace v1 {
namespace {

struct LinearName {
  Role role;
  const char* path;  // below the layer
};
constexpr LinearName kLinears[] = {
    {Role::kQuery, "attention.self.query"}, {Role::kKey, "attention.self.key"},
    {Role::kValue, "attention.self.value"}, {Role::kAttentionOutput, "attention.output.dense"},
    {Role::kFfnUp, "intermediate.dense"},   {Role::kFfnDown, "output.dense"}};

using Layers = std::set<int64_t>;

std::string layer_path(int64_t layer) { return "encoder.layer." + std::to_string(layer) + "."; }

std::map<Role, Layers> layers_by_role(const std::vector<BertSite>& sites) {
  std::map<Role, Layers> layers;
  for (const BertSite& site : sites)
    layers[site.info.role].insert(site.info.layer);
  return layers;
}

std::string text_of(const Layers& layers) {
  std::vector<std::string> parts;
  for (const int64_t layer : layers)
    parts.push_back(std::to_string(layer));
  return join(parts, ",");
}

/// Of each role the role itself where `is_whole` says so, else the paths of its sites.
template <class IsWhole>
std::vector<std::string> roles_or_paths(const std::vector<BertSite>& sites, IsWhole is_whole) {
  std::vector<std::string> targets;
  for (const auto& [role, layers] : layers_by_role(sites)) {
    if (is_whole(role, layers)) {
      targets.emplace_back(role_name(role));
      continue;
    }
    for (const BertSite& site : sites)
      if (site.info.role == role) targets.push_back(site.info.path);
  }
  return targets;
}

}  // namespace

std::vector<BertSite> bert_sites(const ModelInfo& model) {
  const int64_t hidden = model.hidden_size, wide = model.feed_forward_size;
  std::vector<BertSite> sites = {
      {{"embeddings.word_embeddings", Role::kWordEmbeddings, -1}, model.vocabulary_size, hidden}};
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    for (const auto& [role, path] : kLinears) {
      const int64_t in = role == Role::kFfnDown ? wide : hidden, out = role == Role::kFfnUp ? wide : hidden;
      sites.push_back({{layer_path(layer) + path, role, layer}, in, out});
    }
  }
  sites.push_back({{"pooler.dense", Role::kPooler, -1}, hidden, hidden});
  return sites;
}

std::vector<BertSite> bert_linears(const ModelInfo& model) {
  std::vector<BertSite> sites = bert_sites(model);
  sites.erase(sites.begin());
  return sites;
}

std::vector<std::string> bert_biases(const ModelInfo& model) {
  std::vector<std::string> names = {"embeddings.LayerNorm.bias"};
  for (int64_t layer = 0; layer < model.layers; ++layer) {
    for (const auto& [role, path] : kLinears) {
      names.push_back(layer_path(layer) + path + ".bias");
      if (role == Role::kAttentionOutput) names.push_back(layer_path(layer) + "attention.output.LayerNorm.bias");
      if (role == Role::kFfnDown) names.push_back(layer_path(layer) + "output.LayerNorm.bias");
    }
  }
  names.emplace_back("pooler.dense.bias");
  return names;
}

bool has_site(const std::vector<BertSite>& sites, const std::string& path) {
  return std::ranges::any_of(sites, [&](const BertSite& site) { return site.info.path == path; });
}

std::string delta_key(const BertSite& site, const std::string& patch, const std::string& parameter) {
  return site.info.path + "." + patch + "." + parameter;
}

void set_targets(ConfigNode& settings, const std::vector<BertSite>& chosen, const ModelInfo& model) {
  const std::map<Role, Layers> by_role = layers_by_role(chosen);
  Layers used;
  for (const BertSite& site : chosen)
    used.insert(site.info.layer);
  // Layers that every role shares can be said once. What is in no layer would fall out of them.
  const bool share_layers =
      !used.contains(-1) && std::ranges::all_of(by_role, [&](const auto& entry) { return entry.second == used; });
  const auto is_whole = [&](Role, const Layers& layers) {
    return share_layers || layers.contains(-1) || static_cast<int64_t>(layers.size()) == model.layers;
  };
  settings.set("targets", array_of(roles_or_paths(chosen, is_whole)));
  if (share_layers && static_cast<int64_t>(used.size()) != model.layers) settings.set("layers", {text_of(used)});
}

std::vector<std::string> targets_among(const std::vector<BertSite>& some, const std::vector<BertSite>& chosen) {
  const std::map<Role, Layers> all = layers_by_role(chosen);
  return roles_or_paths(some, [&](Role role, const Layers& layers) { return layers == all.at(role); });
}

}  // namespace v1
}  // namespace plugtune
