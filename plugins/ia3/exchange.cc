// exchange.cc - IA3 in the files of peft 0.21 (tuners/ia3) and of AdapterHub's library 1.3 (methods/lora.py, class IA3).
#include "exchange.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "plugtune/blocks/peft_modules.h"
#include "settings.h"

namespace plugtune::ia3 {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";

/// A linear layer and what is scaled of it.
struct Place {
  BertSite site;
  bool is_input = false;
};

std::vector<BertSite> sites_of(const std::vector<Place>& places, bool inputs_only) {
  std::vector<BertSite> sites;
  for (const Place& place : places)
    if (place.is_input || !inputs_only) sites.push_back(place.site);
  return sites;
}

/// The delta of places whose factors `take` reads, and the settings that select them.
template <class Take>
MethodDelta delta_of(const std::vector<Place>& chosen, const ModelInfo& info, const std::string& convention,
                     Take take) {
  MethodDelta delta{ConfigNode{ConfigNode::Table{}}, {}, {}};
  const std::vector<BertSite> sites = sites_of(chosen, /*inputs_only=*/false);
  delta.settings.set("convention", {convention});
  set_targets(delta.settings, sites, info);
  delta.settings.set("feedforward", array_of(targets_among(sites_of(chosen, /*inputs_only=*/true), sites)));
  for (const Place& place : chosen)
    delta.tensors.emplace_back(delta_key(place.site, "ia3", "l"), take(place));
  return delta;
}

MethodDelta read_peft(ForeignAdapter& adapter, ForeignTensors& tensors, const ModelInfo& info) {
  const ConfigView config(adapter.config, {kConfigFile, "peft's IA3", "", {}});
  const std::vector<BertSite> linears = bert_linears(info);
  const PeftModules modules = read_peft_modules(config, adapter.config, linears);
  const ModuleNames feedforward = read_module_names(config, adapter.config, "feedforward_modules");
  if (!config.has("feedforward_modules")) {
    config.problem("feedforward_modules",
                   "must be a list of module names or an expression, it is missing; without it the "
                   "file does not say which factors scale inputs");
  }
  reject_unknown_fields(config, adapter.config, with_peft_fields({"init_ia3_weights"}));
  std::vector<Place> chosen;
  for (const BertSite& site : chosen_sites(modules, linears, tensors, {".ia3_l"}, config, adapter.notes))
    chosen.push_back({site, feedforward.match_loosely(site.info.path)});
  return delta_of(chosen, info, "paper", [&](const Place& place) {
    const BertSite& site = place.site;
    const std::vector<int64_t> shape =
        place.is_input ? std::vector<int64_t>{1, site.in_features} : std::vector<int64_t>{site.out_features, 1};
    return tensors.take(site.info.path + ".ia3_l", shape).reshape({-1});
  });
}

/// Roles that AdapterHub's library can scale, all at their output, and what it calls them.
struct HubRole {
  Role role;
  const char* matrix;  // in attn_matrices
  const char* flag;    // or a field of its own
};
constexpr HubRole kHubRoles[] = {
    {Role::kQuery, "q", nullptr},
    {Role::kKey, "k", nullptr},
    {Role::kValue, "v", nullptr},
    {Role::kFfnUp, nullptr, "intermediate_lora"},
    {Role::kFfnDown, nullptr, "output_lora"},
};

std::string hub_key(const BertSite& site, const std::string& name) {
  return site.info.path + ".loras." + name + ".lora_B";
}

MethodDelta read_hub(ForeignAdapter& adapter, ForeignTensors& tensors, const ModelInfo& info) {
  const ConfigView config(adapter.config, {kConfigFile, "IA3 of AdapterHub's library", "", {}});
  std::set<Role> roles;
  const bool attention = config.boolean("selfattn_lora", true);
  const std::vector<std::string> matrices = config.strings("attn_matrices", {"k", "v"});
  for (const HubRole& entry : kHubRoles) {
    const bool is_on = entry.flag != nullptr ? config.boolean(entry.flag, entry.role == Role::kFfnUp)
                                             : attention && std::ranges::count(matrices, entry.matrix) > 0;
    if (is_on) roles.insert(entry.role);
  }
  for (const std::string& matrix : matrices) {
    if (matrix != "q" && matrix != "k" && matrix != "v")
      config.problem("attn_matrices", "must be of q, k and v, got \"" + matrix + "\"");
  }
  const std::vector<int64_t> leave_out = config.integers("leave_out", {}, 0);
  const double alpha = config.number("alpha", 1);
  if (const int64_t rank = config.integer("r", 1); rank != 1)
    config.problem("r", "is " + std::to_string(rank) + "; factors have rank 1");
  config.string("composition_mode", "scale");
  reject_unknown_fields(config, adapter.config,
                        {"architecture", "dtype", "init_weights", "init_weights_seed", "version"});
  if (alpha != 1) {
    adapter.notes.push_back("alpha = " + c10::str(alpha) + " was multiplied into the factors; written again it is 1");
  }
  std::vector<Place> chosen;
  for (const BertSite& site : bert_linears(info)) {
    const bool is_left_out = std::ranges::count(leave_out, site.info.layer) > 0;
    if (roles.contains(site.info.role) && !is_left_out) chosen.push_back({site});
  }
  return delta_of(chosen, info, "adapters", [&](const Place& place) {
    const Tensor l = tensors.take(hub_key(place.site, adapter.name), {place.site.out_features, 1}).reshape({-1});
    return alpha == 1 ? l : l * alpha;
  });
}

/// The places of a delta with their factors, in forward order.
struct Factors {
  std::vector<Place> places;
  std::vector<Tensor> l;
};

Factors factors_of(const MethodDelta& delta, const ModelInfo& info) {
  const Ia3Settings settings(ConfigView(delta.settings, {"strategy", "strategy 'ia3'", "", {}}));
  Factors factors;
  for (const BertSite& site : linears_of(delta, settings.targets, "ia3", info)) {
    factors.places.push_back({site, settings.inputs.matches(site.info)});
    factors.l.push_back(delta.tensor(delta_key(site, settings.name, "l")));
  }
  return factors;
}

/// target_modules and feedforward_modules. The library refuses names among the second that do not stand among the first: where the
/// shortest names are such, each site has its path.
std::pair<std::vector<std::string>, std::vector<std::string>> peft_lists(const Factors& factors,
                                                                         const ModelInfo& info) {
  const std::vector<BertSite> all = sites_of(factors.places, /*inputs_only=*/false),
                              inputs = sites_of(factors.places, /*inputs_only=*/true);
  std::vector<std::string> modules = peft_names(all, info), feedforward = peft_names(inputs, info);
  if (std::ranges::includes(modules, feedforward)) return {modules, feedforward};
  const auto paths = [](const std::vector<BertSite>& sites) {
    std::vector<std::string> paths;
    for (const BertSite& site : sites)
      paths.push_back(site.info.path);
    return paths;
  };
  return {paths(all), paths(inputs)};
}

ForeignAdapter write_peft(const Factors& factors, const ModelInfo& info) {
  const auto [modules, feedforward] = peft_lists(factors, info);
  ForeignAdapter adapter{"peft", "", peft_config("IA3"), {}, {}, {}};
  adapter.config.set("exclude_modules", {std::string()});
  adapter.config.set("fan_in_fan_out", {false});
  adapter.config.set("feedforward_modules", array_of(feedforward));
  adapter.config.set("init_ia3_weights", {true});
  adapter.config.set("target_modules", array_of(modules));
  for (size_t i = 0; i < factors.places.size(); ++i) {
    const Place& place = factors.places[i];
    adapter.tensors.emplace_back(place.site.info.path + ".ia3_l", factors.l[i].unsqueeze(place.is_input ? 0 : 1));
  }
  return adapter;
}

/// Layers without factors. Throws Error when the library cannot say where the factors are.
ConfigNode::Array left_out(const Factors& factors, const ModelInfo& info) {
  std::map<Role, std::set<int64_t>> layers;
  for (const Place& place : factors.places) {
    if (place.is_input) {
      throw Error(
          "ia3: AdapterHub's library scales outputs only, and '" + place.site.info.path +
          "' is scaled at its input (the convention of peft and the paper); export to peft or hf, or train with "
          "convention = \"adapters\"");
    }
    const bool is_known =
        std::ranges::any_of(kHubRoles, [&](const HubRole& entry) { return entry.role == place.site.info.role; });
    if (!is_known)
      throw Error("ia3: AdapterHub's library cannot scale '" + place.site.info.path + "'; export to peft or hf");
    layers[place.site.info.role].insert(place.site.info.layer);
  }
  for (const auto& [role, of_role] : layers) {
    if (of_role == layers.begin()->second) continue;
    throw Error(std::string("ia3: AdapterHub's library scales the same layers everywhere, but here '") +
                role_name(layers.begin()->first) + "' and '" + role_name(role) +
                "' are scaled in different ones; export to peft or hf");
  }
  ConfigNode::Array left;
  for (int64_t layer = 0; layer < info.layers; ++layer)
    if (layers.empty() || !layers.begin()->second.contains(layer)) left.push_back({layer});
  return left;
}

ForeignAdapter write_hub(const Factors& factors, const std::string& name, const ModelInfo& info) {
  const ConfigNode::Array leave_out = left_out(factors, info);
  const auto has = [&](Role role) {
    return std::ranges::any_of(factors.places, [&](const Place& place) { return place.site.info.role == role; });
  };
  ForeignAdapter adapter{"adapterhub", name, ConfigNode{ConfigNode::Table{}}, {}, {}, {}};
  std::vector<std::string> matrices;
  for (const HubRole& entry : kHubRoles) {
    if (entry.flag != nullptr) adapter.config.set(entry.flag, {has(entry.role)});
    if (entry.matrix != nullptr && has(entry.role)) matrices.emplace_back(entry.matrix);
  }
  adapter.config.set("alpha", {int64_t{1}});
  adapter.config.set("architecture", {std::string("lora")});
  adapter.config.set("attn_matrices", array_of(matrices));
  adapter.config.set("composition_mode", {std::string("scale")});
  adapter.config.set("dropout", {0.0});
  adapter.config.set("dtype", {std::string()});
  adapter.config.set("init_weights", {std::string("ia3")});
  adapter.config.set("init_weights_seed", {std::string()});
  adapter.config.set("leave_out", {leave_out});
  adapter.config.set("r", {int64_t{1}});
  adapter.config.set("selfattn_lora", {!matrices.empty()});
  adapter.config.set("use_dora", {false});
  adapter.config.set("use_gating", {false});
  adapter.config.set("vera_b", {std::string()});
  adapter.config.set("vera_d", {std::string()});
  for (size_t i = 0; i < factors.places.size(); ++i)
    adapter.tensors.emplace_back(hub_key(factors.places[i].site, name), factors.l[i].unsqueeze(1));
  return adapter;
}

}  // namespace

bool Ia3Exchange::reads(const ForeignAdapter& adapter) const {
  if (adapter.format == "peft") return text_at(adapter.config, "peft_type") == "IA3";
  return adapter.format == "adapterhub" && text_at(adapter.config, "architecture") == "lora" &&
         text_at(adapter.config, "composition_mode") == "scale";
}

MethodDelta Ia3Exchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  return adapter.format == "peft" ? read_peft(adapter, tensors, base.info) : read_hub(adapter, tensors, base.info);
}

ForeignAdapter Ia3Exchange::write(const MethodDelta& delta, const std::string& format, const std::string& name,
                                  const ExchangeBase& base) const {
  const Factors factors = factors_of(delta, base.info);
  return format == "peft" ? write_peft(factors, base.info) : write_hub(factors, name, base.info);
}

}  // namespace plugtune::ia3
