// compose.cc - what AdapterHub's library computes with several adapters.
#include "exchange/compose.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>

#include "exchange/json_config.h"
#include "plugtune/error.h"

namespace plugtune::exchange {
namespace {

constexpr const char* kInvertible = "invertible_adapters.";
constexpr const char* kInterventions = ".refts.";  // methods/reft.py: adapter_setup.first()
constexpr std::array kInvertibleFields = {"inv_adapter", "invertible_adapter"};  // the second: adapter-transformers 1

/// "" for a bottleneck, which has no such field.
std::string architecture(const ForeignAdapter& adapter) {
  return adapter.members.empty() ? text_at(adapter.config, "architecture") : "fusion";
}

bool is_bottleneck(const ForeignAdapter& adapter) {
  return architecture(adapter).empty() || architecture(adapter) == "fusion";
}

/// ConfigUnion.validate(): one of each method, or bottlenecks that share no place.
bool may_be_one(const ForeignAdapter& one, const ForeignAdapter& other) {
  if (!one.members.empty() || !other.members.empty()) return false;
  if (architecture(one) != architecture(other)) return true;
  return is_bottleneck(one) && is_true_at(one.config, "mh_adapter") != is_true_at(other.config, "mh_adapter") &&
         is_true_at(one.config, "output_adapter") != is_true_at(other.config, "output_adapter");
}

bool is_of_invertible(const std::pair<std::string, Tensor>& entry) { return entry.first.starts_with(kInvertible); }

/// Itself, or a member of the fusion that it is.
bool has_invertible(const ForeignAdapter& adapter) {
  return std::ranges::any_of(adapter.tensors, is_of_invertible) || std::ranges::any_of(adapter.members, has_invertible);
}

/// The kind that a configuration names: "nice", "" for none.
std::string invertible_kind(const ConfigNode& config) {
  for (const char* key : kInvertibleFields) {
    const ConfigNode* field = config.find(key);
    if (field == nullptr) continue;
    const bool is_table = std::holds_alternative<ConfigNode::Table>(field->value);
    const std::string kind = is_table ? text_at(*field, "block_type") : text_at(config, key);
    if (!kind.empty()) return kind;
  }
  return "";
}

/// Of the methods of one adapter, which have all its tensors when they are read.
bool is_invertible(const ForeignAdapter& method) {
  return has_invertible(method) && !invertible_kind(method.config).empty();
}

bool is_prompt(const ForeignAdapter& adapter) { return architecture(adapter) == "prompt_tuning"; }

bool has_interventions(const ForeignAdapter& adapter) {
  return std::ranges::any_of(adapter.tensors,
                             [](const auto& entry) { return entry.first.find(kInterventions) != std::string::npos; });
}

/// What the library uses of the first adapter of a stack alone; "" for adapters that are free of such.
std::string of_first_alone(const ForeignAdapter& adapter) {
  if (is_prompt(adapter)) return "the prompt";
  if (has_invertible(adapter)) return "the invertible adapter";
  return has_interventions(adapter) ? "the interventions" : "";
}

bool counts_from_the_end(const ForeignAdapter& adapter) {
  return has_interventions(adapter) && number_at(adapter.config, "suffix_positions").value_or(0) > 0;
}

/// What is computed otherwise there, where one adapter is of several methods.
void check_union(std::span<const ForeignAdapter> methods, const std::string& subject) {
  for (size_t i = 0; i < methods.size(); ++i) {
    if (!is_invertible(methods[i])) continue;
    if (std::any_of(methods.begin(), methods.begin() + static_cast<std::ptrdiff_t>(i), is_bottleneck)) {
      throw Error(fmt::format(
          "{}: the invertible adapter of the second of two bottleneck adapters is not used; in '{}', one adapter of "
          "AdapterHub's library, it would be",
          subject, methods[i].name));
    }
    if (std::any_of(methods.begin() + static_cast<std::ptrdiff_t>(i), methods.end(), is_prompt)) {
      throw Error(fmt::format(
          "{}: the prompt stands behind the invertible adapter, whose input its rows are; in '{}', one adapter of "
          "AdapterHub's library, they would not be",
          subject, methods[i].name));
    }
  }
}

/// The library counts positions in the sequence without the prompt.
void check_positions(const std::vector<ForeignAdapter>& adapters, const std::string& subject) {
  if (std::ranges::none_of(adapters, is_prompt)) return;
  const auto at = std::ranges::find_if(adapters, counts_from_the_end);
  if (at == adapters.end()) return;
  throw Error(fmt::format(
      "{}: beside a prompt AdapterHub's library takes the last positions of '{}' for rows before the last, which is "
      "computed nowhere else",
      subject, at->name));
}

/// The modules of the model that an adapter of linear layers is in.
std::set<std::string> linear_modules(const ForeignAdapter& adapter) {
  std::set<std::string> modules;
  for (const auto& [name, tensor] : adapter.tensors)
    if (const size_t at = name.find(".loras."); at != std::string::npos) modules.insert(name.substr(0, at));
  return modules;
}

/// In a stack each adapter of a linear layer reads what the one below it made, not the layer's input. Factors do not notice.
void check_linear(const ForeignAdapter& below, const ForeignAdapter& above, const std::string& subject) {
  const std::set<std::string> modules = linear_modules(below);
  const bool are_factors =
      text_at(below.config, "composition_mode") == "scale" && text_at(above.config, "composition_mode") == "scale";
  for (const std::string& module : linear_modules(above)) {
    if (are_factors || !modules.contains(module)) continue;
    throw Error(fmt::format(
        "{}: '{}' and '{}' both change {}; in a stack of AdapterHub's library the second reads what the first "
        "made and not the layer's input, which is computed nowhere else",
        subject, below.name, above.name, module));
  }
}

void drop_invertible(ForeignAdapter& adapter, std::vector<std::string>& notes) {
  for (ForeignAdapter& member : adapter.members)
    drop_invertible(member, notes);
  if (std::erase_if(adapter.tensors, is_of_invertible) == 0) return;
  std::erase_if(std::get<ConfigNode::Table>(adapter.config.value), [](const auto& entry) {
    return entry.first == "inv_adapter_reduction_factor" || std::ranges::count(kInvertibleFields, entry.first) > 0;
  });
  notes.push_back(
      fmt::format("the invertible adapter of '{}' is left out: AdapterHub's library uses that of the first adapter of "
                  "a stack alone",
                  adapter.name));
}

}  // namespace

std::string as_adapter_name(const std::string& text) {
  std::string name = text;
  std::ranges::replace_if(
      name, [](char c) { return c == '.' || c == ',' || c == '/'; }, '_');
  return name;
}

std::vector<Layer> layers_of(const std::vector<ForeignAdapter>& adapters) {
  std::vector<Layer> layers;
  for (size_t i = 0; i < adapters.size(); ++i) {
    if (layers.empty() || adapters[i].name != adapters[i - 1].name) layers.push_back({i, 0});
    ++layers.back().count;
  }
  return layers;
}

std::vector<size_t> choose_layers(const std::vector<ForeignAdapter>& adapters) {
  std::vector<size_t> numbers;
  size_t first = 0;  // of the layer that is being filled
  for (size_t i = 0; i < adapters.size(); ++i) {
    const auto fits = [&](const ForeignAdapter& other) { return may_be_one(other, adapters[i]); };
    const auto begin = adapters.begin() + static_cast<std::ptrdiff_t>(first);
    const bool joins = i > 0 && std::all_of(begin, adapters.begin() + static_cast<std::ptrdiff_t>(i), fits);
    if (!joins) first = i;
    numbers.push_back(i == 0 ? 0 : numbers.back() + (joins ? 0 : 1));
  }
  return numbers;
}

void check_stack(const std::vector<ForeignAdapter>& adapters, const std::string& subject) {
  const std::vector<Layer> layers = layers_of(adapters);
  for (const Layer& layer : layers)
    check_union(std::span(adapters).subspan(layer.first, layer.count), subject);
  check_positions(adapters, subject);
  for (size_t above = 1; above < layers.size(); ++above) {
    for (size_t i = layers[above].first; i < layers[above].first + layers[above].count; ++i) {
      const ForeignAdapter& adapter = adapters[i];
      if (const std::string part = of_first_alone(adapter); !part.empty()) {
        throw Error(fmt::format(
            "{}: of a stack AdapterHub's library uses {} of the first adapter alone, and '{}' is not the first",
            subject, part, adapter.name));
      }
      for (size_t below = 0; below < layers[above].first; ++below)
        check_linear(adapters[below], adapter, subject);
    }
  }
}

void check_names(const std::vector<ForeignAdapter>& adapters, const std::string& run) {
  std::set<std::string> names;
  for (const Layer& layer : layers_of(adapters)) {
    const ForeignAdapter& adapter = adapters[layer.first];
    std::vector<std::string> own = {adapter.name};
    for (const ForeignAdapter& member : adapter.members)
      own.push_back(member.name);
    for (const std::string& name : own) {
      if (!names.insert(name).second)
        throw Error(fmt::format("{}: two of its adapters would be called '{}'; choose another --name", run, name));
    }
  }
}

void check_language_adapter(const ForeignAdapter& adapter, const std::string& subject) {
  const std::string kind = invertible_kind(adapter.config);
  if (kind.empty() || has_invertible(adapter)) return;
  throw Error(fmt::format(
      "{}: '{}' is a language adapter with an invertible adapter ('{}'), and none of its tensors is of that "
      "(invertible_lang_adapters...); without it the adapter computes something else",
      subject, adapter.name, kind));
}

void drop_unused_invertible(std::vector<ForeignAdapter>& adapters) {
  const std::vector<Layer> layers = layers_of(adapters);
  for (size_t i = layers.empty() ? 0 : layers.front().count; i < adapters.size(); ++i)
    drop_invertible(adapters[i], adapters[i].notes);
}

void order_union(std::vector<ForeignAdapter>& methods) {
  if (std::ranges::none_of(methods, is_invertible)) return;
  std::ranges::stable_sort(methods, {}, [](const ForeignAdapter& method) {
    return is_prompt(method) ? 0 : is_invertible(method) ? 1 : 2;
  });
}

}  // namespace plugtune::exchange
