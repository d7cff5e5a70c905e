// adapter_exchange.cc - the fields and tensors of a bottleneck adapter, by AdapterHub's names and by ours.
#include "plugtune/blocks/adapter_exchange.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

using Table = ConfigNode::Table;
using Named = std::vector<std::pair<std::string, Tensor>>;

// --- The configuration -----------------------------------------------------------------------------------------------

constexpr const char* kRequired[] = {"mh_adapter", "output_adapter", "reduction_factor", "non_linearity"};
constexpr const char* kPhm[] = {"phm_dim", "phm_rank", "phm_c_init", "phm_init_range", "learn_phm"};
constexpr const char* kPhmForms[] = {"factorized_phm_W", "shared_W_phm", "shared_phm_rule", "factorized_phm_rule",
                                     "phm_bias"};
// Names before adapter-transformers 1.0, which its configurations on the Hub still have.
constexpr std::pair<const char*, const char*> kRenamed[] = {{"MH_Adapter", "mh_adapter"},
                                                            {"Output_Adapter", "output_adapter"},
                                                            {"LN_before", "ln_before"},
                                                            {"LN_after", "ln_after"}};

ConfigNode null() { return {std::string()}; }

// BnConfig's fields and what the library takes where one is absent. The four required ones have no such value.
const Table& library_defaults() {
  static const Table defaults = {{"original_ln_before", {false}},
                                 {"original_ln_after", {true}},
                                 {"ln_before", {false}},
                                 {"ln_after", {false}},
                                 {"init_weights", {std::string("bert")}},
                                 {"init_weights_seed", null()},
                                 {"is_parallel", {false}},
                                 {"scaling", {1.0}},
                                 {"use_gating", {false}},
                                 {"residual_before_ln", {true}},
                                 {"adapter_residual_before_ln", {false}},
                                 {"inv_adapter", null()},
                                 {"inv_adapter_reduction_factor", null()},
                                 {"cross_adapter", {false}},
                                 {"leave_out", {ConfigNode::Array{}}},
                                 {"dropout", {0.0}},
                                 {"phm_layer", {false}},
                                 {"phm_dim", {int64_t{4}}},
                                 {"factorized_phm_W", {true}},
                                 {"shared_W_phm", {false}},
                                 {"shared_phm_rule", {true}},
                                 {"factorized_phm_rule", {false}},
                                 {"phm_c_init", {std::string("normal")}},
                                 {"phm_init_range", {0.0001}},
                                 {"learn_phm", {true}},
                                 {"hypercomplex_nonlinearity", {std::string("glorot-uniform")}},
                                 {"phm_rank", {int64_t{1}}},
                                 {"phm_bias", {true}},
                                 {"stochastic_depth", {0.0}}};
  return defaults;
}



std::optional<double> number_of(const ConfigNode& node) {
  if (const auto* whole = std::get_if<int64_t>(&node.value)) return static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&node.value)) return *real;
  return std::nullopt;
}

bool same_value(const ConfigNode& a, const ConfigNode& b) {
  if (const auto number = number_of(a)) return number == number_of(b);
  if (a.value.index() != b.value.index()) return false;
  if (const auto* text = std::get_if<std::string>(&a.value)) return *text == std::get<std::string>(b.value);
  if (const auto* flag = std::get_if<bool>(&a.value)) return *flag == std::get<bool>(b.value);
  const auto same = [](const auto& left, const auto& right) { return same_value(left, right); };
  if (const auto* array = std::get_if<ConfigNode::Array>(&a.value)) {
    const auto& other = std::get<ConfigNode::Array>(b.value);
    return std::equal(array->begin(), array->end(), other.begin(), other.end(), same);
  }
  const auto& left = std::get<Table>(a.value);
  return left.size() == std::get<Table>(b.value).size() && std::ranges::all_of(left, [&](const auto& entry) {
           const ConfigNode* other = b.find(entry.first);
           return other != nullptr && same_value(entry.second, *other);
         });
}

void erase(ConfigNode& table, const std::string& key) {
  std::erase_if(std::get<Table>(table.value), [&](const auto& entry) { return entry.first == key; });
}

// The name of an activation as transformers means it today: the library lower-cases it, and in files without a version "gelu"
// is another function.
void modernise_activation(ConfigNode& fields) {
  const ConfigNode* node = fields.find("non_linearity");
  const auto* given = node == nullptr ? nullptr : std::get_if<std::string>(&node->value);
  if (given == nullptr) return;
  std::string name = *given;
  std::ranges::transform(name, name.begin(), [](unsigned char letter) { return std::tolower(letter); });
  if (text_at(fields, "version").empty()) {
    if (name == "gelu") {
      name = "gelu_new";
    } else if (name == "gelu_orig") {
      name = "gelu";
    }
  }
  fields.set("non_linearity", {name});
}

bool is_modern(const ConfigNode& config) { return text_at(config, "version").starts_with("adapters."); }

// What the file says of an invertible adapter, which is a method of its own. "" when there is none.
std::string invertible_kind(const ConfigNode& config) {
  const ConfigNode* nested = config.find("invertible_adapter");  // adapter-transformers 1.0
  return nested != nullptr ? text_at(*nested, "block_type") : text_at(config, "inv_adapter");
}

void refuse_invertible(ForeignAdapter& adapter, const ForeignTensors& tensors) {
  const std::string kind = invertible_kind(adapter.config);
  if (kind.empty()) return;
  const bool has_weights = std::ranges::any_of(tensors.names(), [](const std::string& name) {
    return name.starts_with("invertible_adapters.") || name.find(".invertible_adapters.") != std::string::npos;
  });
  if (!has_weights && !is_modern(adapter.config)) {
    // Task adapters of that time named the invertible adapter of their language without having it.
    adapter.notes.push_back("adapter '" + adapter.name + "': its configuration names an invertible adapter ('" + kind +
                            "') that it does not have; left out, as the library does");
    return;
  }
  throw Error(tensors.subject() + ": config.inv_adapter: is \"" + kind +
              "\"; an invertible adapter is a method of its own, which strategy 'adapter' does not have" +
              (has_weights ? "" : ", and the file has no weights for it"));
}

// Every field that says what the adapter computes, under today's names.
ConfigNode modern_fields(const ForeignAdapter& adapter) {
  ConfigNode fields{library_defaults()};
  for (const auto& [key, value] : std::get<Table>(adapter.config.value)) {
    const auto renamed = std::ranges::find_if(kRenamed, [&](const auto& entry) { return entry.first == key; });
    fields.set(renamed == std::end(kRenamed) ? key : renamed->second, value);
  }
  modernise_activation(fields);
  const bool is_phm = is_true_at(fields, "phm_layer");
  const ConfigNode defaults{library_defaults()};
  for (const char* key : kPhmForms) {
    if (!is_phm || same_value(*fields.find(key), *defaults.find(key))) erase(fields, key);
  }
  if (!is_phm) {
    for (const char* key : kPhm)
      erase(fields, key);
  }
  // Of an invertible adapter, of how it was initialised, and of the fusion of its time.
  for (const char* other : {"version", "inv_adapter", "inv_adapter_reduction_factor", "invertible_adapter",
                            "init_weights_seed", "hypercomplex_nonlinearity", "attention_type", "new_attention_norm"})
    erase(fields, other);
  return fields;
}

void add_notes(ForeignAdapter& adapter) {
  const auto note = [&](const std::string& text) {
    adapter.notes.push_back("adapter '" + adapter.name + "': " + text);
  };
  if (is_true_at(adapter.config, "cross_adapter")) note("cross_adapter has no effect in an encoder; not kept");
  if (adapter.config.find("init_weights_seed") != nullptr)
    note("init_weights_seed is not kept: the adapter is made already");
}

/// The named configuration with the fewest other values, and these values.
ConfigNode shortest(const ConfigNode& resolved) {
  ConfigNode best;
  for (const std::string& name : adapter_config_names()) {
    const ConfigView view(ConfigNode{Table{{"config", {name}}}});
    const AdapterSettings settings(view);
    if (is_true_at(view.resolved(), "phm_layer") != is_true_at(resolved, "phm_layer")) continue;
    ConfigNode candidate{Table{{"config", {name}}}};
    for (const auto& [key, value] : std::get<Table>(resolved.value)) {
      const ConfigNode* other = view.resolved().find(key);
      if (key != "config" && (other == nullptr || !same_value(value, *other))) candidate.set(key, value);
    }
    const bool is_first = std::get<Table>(best.value).empty();
    if (is_first || std::get<Table>(candidate.value).size() < std::get<Table>(best.value).size()) best = candidate;
  }
  return best;
}

// --- The tensors -----------------------------------------------------------------------------------------------------

struct TensorName {
  std::string ours, theirs;  // behind "<junction>.adapter.bottleneck." and "<sub-layer>.adapters.<name>."
  std::vector<int64_t> shape;
  std::string second_name;  // theirs, of the same tensor; "" for most
};

// The block's own tensors, in the order of the library's state_dict().
std::vector<TensorName> block_tensors(const AdapterBlockOptions& options) {
  const BottleneckOptions& bottleneck = options.bottleneck;
  const int64_t hidden = bottleneck.hidden_size, width = bottleneck.width, n = bottleneck.phm.dim;
  std::vector<TensorName> list;
  const auto norm = [&](const std::string& ours, const std::string& theirs, const std::string& second) {
    for (const std::string part : {"weight", "bias"})
      list.push_back({ours + part, theirs + part, {hidden}, second.empty() ? "" : second + part});
  };
  const auto projection = [&](const std::string& ours, const std::string& theirs, int64_t in, int64_t out) {
    if (n == 0) {
      list.push_back({ours + "weight", theirs + "weight", {out, in}, ""});
      list.push_back({ours + "bias", theirs + "bias", {out}, ""});
      return;
    }
    list.push_back({ours + "left", theirs + "W_left", {n, in / n, bottleneck.phm.rank}, ""});
    list.push_back({ours + "right", theirs + "W_right", {n, bottleneck.phm.rank, out / n}, ""});
    list.push_back({ours + "bias", theirs + "b", {out}, ""});
  };
  if (bottleneck.scaling_kind != Scaling::kFixed)
    list.push_back({"scaling", "scaling", {bottleneck.scaling_kind == Scaling::kChannel ? hidden : 1}, ""});
  // The norm before is also the first module of adapter_down, which moves the projection to the second place.
  if (options.ln_before) norm("norm_before_", "adapter_norm_before.", "adapter_down.0.");
  projection("down_", options.ln_before ? "adapter_down.1." : "adapter_down.0.", hidden, width);
  projection("up_", "adapter_up.", width, hidden);
  if (options.ln_after) norm("norm_after_", "adapter_norm_after.", "");
  if (options.use_gating) {
    list.push_back({"gate_weight", "gate.weight", {1, hidden}, ""});
    list.push_back({"gate_bias", "gate.bias", {1}, ""});
  }
  return list;
}

struct Place {
  int64_t layer;
  std::string sub_layer;  // encoder.layer.0.attention.output
};

// In the library's order, which is the order of the forward pass.
std::vector<Place> places(const AdapterSettings& settings, int64_t layers) {
  std::vector<Place> list;
  for (const int64_t layer : settings.layers(layers)) {
    const std::string path = "encoder.layer." + std::to_string(layer);
    if (settings.mh_adapter) list.push_back({layer, path + ".attention.output"});
    if (settings.output_adapter) list.push_back({layer, path + ".output"});
  }
  return list;
}

std::string block_key(const Place& place, const std::string& patch) {
  return place.sub_layer + ".LayerNorm." + patch + ".bottleneck.";
}
std::string rule_name(const std::string& adapter) { return "shared_parameters." + adapter + ".phm_rule"; }

std::string shape_text(c10::IntArrayRef shape) {
  std::vector<std::string> sizes;
  for (const int64_t size : shape)
    sizes.push_back(std::to_string(size));
  return "(" + join(sizes) + ")";
}

// ForeignTensors::take() makes zeros of the shape that it wants when the tensor does not fit. Here that shape comes from the
// file too (reduction_factor), and a dishonest one must not cost memory.
Tensor take(ForeignTensors& tensors, const std::string& name, const std::vector<int64_t>& shape) {
  Tensor tensor = tensors.take(name, std::vector<int64_t>(shape.size(), -1));
  const bool was_found = tensors.has(name) && tensor.dim() == static_cast<int64_t>(shape.size());
  if (was_found && tensor.sizes() != c10::IntArrayRef(shape)) {
    tensors.problem("tensor '" + name + "' has shape " + shape_text(tensor.sizes()) + ", it must be " +
                    shape_text(shape));
  }
  return tensor;
}

void skip_second_name(ForeignTensors& tensors, const std::string& name, const std::string& first,
                      const Tensor& tensor) {
  if (!tensors.has(name)) return;
  const Tensor copy = take(tensors, name, tensor.sizes().vec());
  const bool is_same = copy.scalar_type() == tensor.scalar_type() && torch::equal(copy, tensor);
  if (copy.sizes() == tensor.sizes() && !is_same) {
    tensors.problem("tensor '" + name + "' differs from '" + first + "', whose second name it is");
  }
}

Named read_tensors(const std::string& adapter, ForeignTensors& tensors, const AdapterSettings& settings,
                   const ModelInfo& model) {
  Named delta;
  const std::vector<Place> all = places(settings, model.layers);
  for (const Place& place : all) {
    const std::string theirs = place.sub_layer + ".adapters." + adapter + ".", ours = block_key(place, settings.name);
    for (const TensorName& name : block_tensors(settings.block(place.layer, model.hidden_size))) {
      delta.emplace_back(ours + name.ours, take(tensors, theirs + name.theirs, name.shape));
      if (name.second_name.empty()) continue;
      skip_second_name(tensors, theirs + name.second_name, theirs + name.theirs, delta.back().second);
    }
  }
  // One rule for all places: here the first block owns it.
  if (const int64_t n = settings.block(all.front().layer, model.hidden_size).bottleneck.phm.dim; n > 0)
    delta.emplace_back(block_key(all.front(), settings.name) + "phm_rule",
                       take(tensors, rule_name(adapter), {n, n, n}));
  return delta;
}

// --- Writing the configuration ---------------------------------------------------------------------------------------

ConfigNode whole_if_possible(double number) {
  const bool is_whole = number == std::floor(number) && std::abs(number) < 1e15;
  return is_whole ? ConfigNode{static_cast<int64_t>(number)} : ConfigNode{number};
}

// With PHM a width is a multiple of n; the library, which does not round, needs the factor that gives it.
double library_factor(double factor, const ModelInfo& model, int64_t n) {
  const int64_t width = bottleneck_width(model.hidden_size, factor, std::max<int64_t>(1, n));
  if (bottleneck_width(model.hidden_size, factor) == width) return factor;
  const double exact = static_cast<double>(model.hidden_size) / static_cast<double>(width);
  if (bottleneck_width(model.hidden_size, exact) == width) return exact;
  return static_cast<double>(model.hidden_size) / (static_cast<double>(width) + 0.5);
}

ConfigNode library_factors(const ConfigNode& resolved, const ModelInfo& model, int64_t n) {
  if (const auto factor = number_of(resolved)) return whole_if_possible(library_factor(*factor, model, n));
  ConfigNode factors{Table{}};
  for (const auto& [layer, factor] : std::get<Table>(resolved.value))
    factors.set(layer, whole_if_possible(library_factor(*number_of(factor), model, n)));
  return factors;
}

ConfigNode library_config(const ConfigNode& resolved, const ModelInfo& model, std::vector<std::string>& notes) {
  ConfigNode config{library_defaults()};
  for (const char* key : kRequired)
    config.set(key, *resolved.find(key));
  for (auto& [key, value] : std::get<Table>(config.value)) {
    if (const ConfigNode* given = resolved.find(key)) value = *given;
  }
  if (text_at(config, "init_weights") == "mam") config.set("init_weights", {std::string("mam_adapter")});
  const int64_t n = is_true_at(config, "phm_layer") ? std::get<int64_t>(config.find("phm_dim")->value) : 0;
  const ConfigNode factors = library_factors(*resolved.find("reduction_factor"), model, n);
  if (!same_value(factors, *resolved.find("reduction_factor")))
    notes.push_back("reduction_factor is written as the one that gives the same width without rounding to phm_dim");
  config.set("reduction_factor", factors);
  return config;
}

}  // namespace

bool is_adapterhub_bottleneck(const ForeignAdapter& adapter) {
  // Of all configurations of the library only this one has no "architecture"; a fusion's has "query".
  return adapter.format == "adapterhub" && adapter.members.empty() && text_at(adapter.config, "architecture").empty() &&
         adapter.config.find("query") == nullptr;
}

MethodDelta read_adapterhub_bottleneck(ForeignAdapter& adapter, ForeignTensors& tensors, const ModelInfo& model) {
  refuse_invertible(adapter, tensors);
  const ConfigNode fields = modern_fields(adapter);
  const ConfigView view(fields, {tensors.subject() + ": config", "a bottleneck adapter", "", {}});
  for (const char* key : {"config", "name"}) {
    if (fields.find(key) != nullptr)  // keys of ours, no fields of theirs
      view.problem(key, "is a setting that is not known here; the file would be read as something else than it is");
  }
  for (const char* key : kRequired) {
    if (!view.has(key)) view.problem(key, "is required");
  }
  const AdapterSettings settings(view);
  view.boolean("cross_adapter", false);
  std::vector<std::string> known = {"config", "name"};  // also where reading failed, which is told already
  known.insert(known.end(), std::begin(kRequired), std::end(kRequired));
  for (const auto& [key, value] : library_defaults())
    known.push_back(key);
  reject_unknown_fields(view, fields, known);

  MethodDelta delta;
  delta.tensors = read_tensors(adapter.name, tensors, settings, model);
  ConfigNode resolved = view.resolved();
  erase(resolved, "cross_adapter");
  delta.settings = shortest(resolved);
  add_notes(adapter);
  return delta;
}

ForeignAdapter write_adapterhub_bottleneck(const MethodDelta& delta, const std::string& name, const ModelInfo& model) {
  const ConfigView view(delta.settings, {"strategy", "strategy 'adapter'", "", {}});
  const AdapterSettings settings(view);
  if (!view.problems().empty()) throw Error(view.problems());

  ForeignAdapter adapter{"adapterhub", name, {}, {}, {}, {}};
  adapter.config = library_config(view.resolved(), model, adapter.notes);
  const std::vector<Place> all = places(settings, model.layers);
  for (const Place& place : all) {
    const std::string theirs = place.sub_layer + ".adapters." + name + ".", ours = block_key(place, settings.name);
    for (const TensorName& entry : block_tensors(settings.block(place.layer, model.hidden_size))) {
      const Tensor& tensor = delta.tensor(ours + entry.ours);
      adapter.tensors.emplace_back(theirs + entry.theirs, tensor);
      if (!entry.second_name.empty()) adapter.tensors.emplace_back(theirs + entry.second_name, tensor);
    }
  }
  if (is_true_at(view.resolved(), "phm_layer")) {
    const std::string key = block_key(all.front(), settings.name) + "phm_rule";
    adapter.tensors.emplace_back(rule_name(name), delta.tensor(key));
  }
  return adapter;
}

}  // namespace v1
}  // namespace plugtune
