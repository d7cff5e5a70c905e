// exchange_adapterhub.cc - LoRAConfig of adapters 1.3: one rank, one alpha, the same places in each layer.
#include <algorithm>
#include <set>

#include "delta.h"
#include "exchange.h"

namespace plugtune::lora {
namespace {

constexpr const char* kHubConfigFile = "adapter_config.json.config";

/// Places of the library, in the order in which its layers hold them.
struct Place {
  Role role;
  const char* matrix;  // of attn_matrices; "": its own field says whether it is used
};
constexpr Place kPlaces[] = {
    {Role::kQuery, "q"}, {Role::kKey, "k"}, {Role::kValue, "v"}, {Role::kFfnUp, ""}, {Role::kFfnDown, ""}};

void refuse_other_methods(const ConfigView& config) {
  config.choice("composition_mode", "add", {"add"});
  if (config.boolean("use_gating", false)) {
    config.problem("use_gating",
                   "is true: a gate computed from the whole sequence scales the update there; LoRA has none");
  }
  if (config.boolean("use_dora", false)) {
    config.problem("use_dora",
                   "is true: what adapters calls DoRA computes something else than DoRA (it scales the layer's bias "
                   "too, and its norm leaves alpha / r out); train it again with peft or here");
  }
  for (const char* key : {"vera_d", "vera_b"}) {
    if (config.optional_number(key)) {
      config.problem(key, "is set: VeRA trains vectors around matrices that all layers share; it is not LoRA");
    }
  }
}

std::vector<std::string> targets_of(const ConfigView& config) {
  std::vector<std::string> targets;
  const auto add = [&](Role role) {
    if (std::ranges::find(targets, role_name(role)) == targets.end()) targets.emplace_back(role_name(role));
  };
  const bool in_attention = config.boolean("selfattn_lora", true);
  for (const std::string& matrix : config.strings("attn_matrices", {"q", "v"})) {
    const auto place =
        std::ranges::find_if(kPlaces, [&](const Place& p) { return !matrix.empty() && matrix == p.matrix; });
    if (place == std::end(kPlaces)) {
      config.problem("attn_matrices", "must name q, k or v, got \"" + matrix + "\"");
    } else if (in_attention) {
      add(place->role);
    }
  }
  if (config.boolean("intermediate_lora", false)) add(Role::kFfnUp);
  if (config.boolean("output_lora", false)) add(Role::kFfnDown);
  if (targets.empty()) config.problem("selfattn_lora", "is false, and no other place has an update: nothing is tuned");
  return targets;
}

/// The layers that are not left out: "" for all of them.
std::string layers_of(const ConfigView& config, int64_t layers) {
  const std::vector<int64_t> left_out = config.integers("leave_out", {}, /*min=*/0);
  std::vector<std::string> kept;
  for (int64_t layer = 0; layer < layers; ++layer)
    if (std::ranges::find(left_out, layer) == left_out.end()) kept.push_back(std::to_string(layer));
  if (kept.empty()) config.problem("leave_out", "leaves out every layer of the model: nothing is tuned");
  return static_cast<int64_t>(kept.size()) == layers ? "" : join(kept, ",");
}

std::string tensor_name(const BertSite& site, const std::string& adapter, const char* matrix) {
  return site.info.path + ".loras." + adapter + "." + matrix;
}

/// The library cannot say that one site differs from the others. Throws Error naming the first that does.
void check_uniform(const LoraDelta& delta) {
  const LoraSettings& settings = delta.settings;
  if (settings.dora) {
    throw Error("adapterhub: what adapters calls DoRA computes something else than DoRA; export as peft, or merge");
  }
  if (settings.bias != "none") {
    throw Error("adapterhub: a LoRA has no place for trained biases there (bias = \"" + settings.bias +
                "\"); export as peft, or merge");
  }
  std::set<Role> roles;
  std::set<int64_t> layers;
  const BertSite& first = delta.chosen.front();
  const auto has_place = [](Role role) {
    return std::ranges::any_of(kPlaces, [&](const Place& p) { return p.role == role; });
  };
  for (const BertSite& site : delta.chosen) {
    if (!has_place(site.info.role)) {
      throw Error("adapterhub: a LoRA there can be at query, key, value, intermediate.dense and output.dense, got '" +
                  site.info.path + "'; export as peft, or merge");
    }
    const int64_t rank = settings.options(site.info).rank, first_rank = settings.options(first.info).rank;
    if (rank != first_rank || delta.scale(site) != delta.scale(first)) {
      throw Error("adapterhub: a LoRA has one rank and one alpha there; '" + site.info.path + "' has others than '" +
                  first.info.path + "'; export as peft, or merge");
    }
    roles.insert(site.info.role);
    layers.insert(site.info.layer);
  }
  for (const BertSite& site : delta.sites) {
    if (!roles.contains(site.info.role) || !layers.contains(site.info.layer) || settings.chooses(site.info)) continue;
    throw Error("adapterhub: a LoRA has the same places in each layer there; '" + site.info.path +
                "' has no update, but its place in another layer has; export as peft, or merge");
  }
}

}  // namespace

MethodDelta read_adapterhub(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) {
  const ConfigView config(adapter.config,
                          {.subject = kHubConfigFile, .owner = "adapters' LoRA", .file = "", .open_run = {}});
  config.string("architecture", "lora");
  refuse_other_methods(config);
  const std::vector<std::string> targets = targets_of(config);
  const std::string layers = layers_of(config, base.info.layers);
  const int64_t rank = config.integer("r", 8, /*min=*/1);
  const double alpha = config.number("alpha", 8);
  const double dropout = config.number("dropout", 0, 0, 0.999999);
  reject_unknown_fields(config, adapter.config, {"init_weights", "init_weights_seed", "dtype", "version"});

  MethodDelta delta{.settings = {ConfigNode::Table{}}, .tensors = {}, .sources = {}};
  delta.settings.set("targets", array_of(targets));
  if (!layers.empty()) delta.settings.set("layers", text_node(layers));
  delta.settings.set("rank", {rank});
  delta.settings.set("alpha", number_node(alpha));
  if (dropout > 0) delta.settings.set("dropout", {dropout});
  const Selector selector(targets, layers);
  for (const BertSite& site : bert_sites(base.info)) {
    if (!selector.matches(site.info)) continue;
    delta.tensors.emplace_back(delta_key(site, "lora", "update.a"),
                               tensors.take(tensor_name(site, adapter.name, "lora_A"), {rank, site.in_features}));
    delta.tensors.emplace_back(delta_key(site, "lora", "update.b"),
                               tensors.take(tensor_name(site, adapter.name, "lora_B"), {site.out_features, rank}));
  }
  tensors.throw_if_problems();
  return delta;
}

ForeignAdapter write_adapterhub(const MethodDelta& method, const std::string& name, const ExchangeBase& base) {
  const LoraDelta delta(method, "adapterhub", base);
  check_uniform(delta);
  const LowRankOptions options = delta.settings.options(delta.chosen.front().info);
  std::vector<std::string> matrices;
  for (const auto& [role, matrix] : kPlaces) {
    const bool is_used = std::ranges::any_of(delta.chosen, [&](const BertSite& s) { return s.info.role == role; });
    if (is_used && *matrix != '\0') matrices.emplace_back(matrix);
  }
  const auto uses = [&](Role role) {
    return std::ranges::any_of(delta.chosen, [&](const BertSite& site) { return site.info.role == role; });
  };
  std::vector<int64_t> left_out;
  for (int64_t layer = 0; layer < base.info.layers; ++layer) {
    if (std::ranges::none_of(delta.chosen, [&](const BertSite& site) { return site.info.layer == layer; }))
      left_out.push_back(layer);
  }
  ForeignAdapter adapter{
      .format = "adapterhub", .name = name, .config = {ConfigNode::Table{}}, .tensors = {}, .members = {}, .notes = {}};
  ConfigNode& config = adapter.config;
  // adapters has no rank-stabilised scale: its alpha / r must be ours.
  const double rank = static_cast<double>(options.rank);
  config.set("alpha", number_node(options.rank_stabilized ? options.alpha * std::sqrt(rank) : options.alpha));
  config.set("architecture", text_node("lora"));
  config.set("attn_matrices", array_of(matrices.empty() ? std::vector<std::string>{"q", "v"} : matrices));
  config.set("composition_mode", text_node("add"));
  config.set("dropout", {options.dropout});
  config.set("dtype", null_node());
  config.set("init_weights", text_node("lora"));
  config.set("init_weights_seed", null_node());
  config.set("intermediate_lora", {uses(Role::kFfnUp)});
  config.set("leave_out", integers_node(left_out));
  config.set("output_lora", {uses(Role::kFfnDown)});
  config.set("r", {options.rank});
  config.set("selfattn_lora", {!matrices.empty()});
  for (const char* off : {"use_dora", "use_gating"})
    config.set(off, {false});
  for (const char* unset : {"vera_b", "vera_d"})
    config.set(unset, null_node());
  for (const BertSite& site : delta.chosen) {
    adapter.tensors.emplace_back(tensor_name(site, name, "lora_A"), delta.at(site, "update.a"));
    adapter.tensors.emplace_back(tensor_name(site, name, "lora_B"), delta.at(site, "update.b"));
  }
  return adapter;
}

}  // namespace plugtune::lora
