// adapter_fields.cc - the fields of a bottleneck adapter, by AdapterHub's names and by ours.
#include "adapter_fields.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

using Table = ConfigNode::Table;

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
std::string modern_activation(std::string name, const std::string& version) {
  std::ranges::transform(name, name.begin(), [](unsigned char letter) { return std::tolower(letter); });
  if (!version.empty()) return name;
  if (name == "gelu") return "gelu_new";
  return name == "gelu_orig" ? "gelu" : name;
}

void modernise_activation(ConfigNode& fields) {
  const ConfigNode* node = fields.find("non_linearity");
  if (node == nullptr || !std::holds_alternative<std::string>(node->value)) return;
  fields.set("non_linearity", {modern_activation(std::get<std::string>(node->value), text_at(fields, "version"))});
}

// The invertible layer as the file says it: in fields of its own, or in adapter-transformers 1 in a table.
void modernise_invertible(ForeignAdapter& adapter, ConfigNode& fields, bool has_invertible) {
  const auto note = [&](const std::string& text) {
    adapter.notes.push_back("adapter '" + adapter.name + "': " + text);
  };
  std::string activation;
  if (const ConfigNode* nested = fields.find("invertible_adapter"); nested != nullptr) {
    if (std::holds_alternative<Table>(nested->value)) {
      fields.set("inv_adapter", {text_at(*nested, "block_type")});
      const ConfigNode* factor = nested->find("reduction_factor");
      fields.set("inv_adapter_reduction_factor", factor == nullptr ? null() : *factor);
      activation = modern_activation(text_at(*nested, "non_linearity"), text_at(fields, "version"));
    }
    erase(fields, "invertible_adapter");
  }
  // Absent it is null; what the library makes of a layer without a factor is an error.
  if (same_value(*fields.find("inv_adapter_reduction_factor"), null())) erase(fields, "inv_adapter_reduction_factor");
  const std::string kind = text_at(fields, "inv_adapter");
  if (kind.empty()) {
    erase(fields, "inv_adapter_reduction_factor");
    return;
  }
  if (!has_invertible && !text_at(fields, "version").starts_with("adapters.")) {
    // Task adapters of that time named the invertible adapter of their language without having it.
    note("its configuration names an invertible adapter ('" + kind +
         "') that it does not have; left out, as the library does");
    fields.set("inv_adapter", null());
    erase(fields, "inv_adapter_reduction_factor");
  } else if (const std::string own = text_at(fields, "non_linearity"); !activation.empty() && activation != own) {
    note("its invertible adapter was trained with " + activation +
         " and is read so; today's library computes it with " + own + ", as the rest of the adapter");
    fields.set("inv_adapter_non_linearity", {activation});
  }
}

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

// The library has no field for the invertible layer's own activation.
void set_invertible(ConfigNode& config, const ConfigNode& resolved) {
  if (text_at(resolved, "inv_adapter").empty()) {
    config.set("inv_adapter_reduction_factor", null());
    return;
  }
  config.set("inv_adapter_reduction_factor",
             whole_if_possible(*number_of(*resolved.find("inv_adapter_reduction_factor"))));
  const std::string own = text_at(resolved, "non_linearity"),
                    activation = text_at(resolved, "inv_adapter_non_linearity");
  if (!activation.empty() && activation != own) {
    throw Error("strategy.inv_adapter_non_linearity: is \"" + activation +
                "\", and AdapterHub's library computes an invertible adapter with the adapter's non_linearity, \"" +
                own + "\"; a file of adapterhub cannot say it");
  }
}

}  // namespace

const std::vector<std::string>& required_adapter_fields() {
  static const std::vector<std::string> names = {"mh_adapter", "output_adapter", "reduction_factor", "non_linearity"};
  return names;
}

std::vector<std::string> adapter_fields() {
  std::vector<std::string> names = required_adapter_fields();
  for (const auto& [key, value] : library_defaults())
    names.push_back(key);
  return names;
}

ConfigNode modern_adapter_fields(ForeignAdapter& adapter, bool has_invertible) {
  ConfigNode fields{library_defaults()};
  for (const auto& [key, value] : std::get<Table>(adapter.config.value)) {
    const auto renamed = std::ranges::find_if(kRenamed, [&](const auto& entry) { return entry.first == key; });
    fields.set(renamed == std::end(kRenamed) ? key : renamed->second, value);
  }
  modernise_activation(fields);
  modernise_invertible(adapter, fields, has_invertible);
  const bool is_phm = is_true_at(fields, "phm_layer");
  const ConfigNode defaults{library_defaults()};
  for (const char* key : kPhmForms) {
    if (!is_phm || same_value(*fields.find(key), *defaults.find(key))) erase(fields, key);
  }
  if (!is_phm) {
    for (const char* key : kPhm)
      erase(fields, key);
  }
  // Of how it was initialised, and of the fusion of its time.
  for (const char* other :
       {"version", "init_weights_seed", "hypercomplex_nonlinearity", "attention_type", "new_attention_norm"})
    erase(fields, other);
  return fields;
}

ConfigNode shortest_adapter_settings(const ConfigNode& resolved) {
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

ConfigNode library_adapter_config(const ConfigNode& resolved, const ModelInfo& model, std::vector<std::string>& notes) {
  ConfigNode config{library_defaults()};
  for (const std::string& key : required_adapter_fields())
    config.set(key, *resolved.find(key));
  for (auto& [key, value] : std::get<Table>(config.value)) {
    if (const ConfigNode* given = resolved.find(key)) value = *given;
  }
  set_invertible(config, resolved);
  if (text_at(config, "init_weights") == "mam") config.set("init_weights", {std::string("mam_adapter")});
  const int64_t n = is_true_at(config, "phm_layer") ? std::get<int64_t>(config.find("phm_dim")->value) : 0;
  const ConfigNode factors = library_factors(*resolved.find("reduction_factor"), model, n);
  if (!same_value(factors, *resolved.find("reduction_factor")))
    notes.push_back("reduction_factor is written as the one that gives the same width without rounding to phm_dim");
  config.set("reduction_factor", factors);
  return config;
}

}  // namespace v1
}  // namespace plugtune
