// exchange.cc - ReFT in the files of AdapterHub's library 1.3 (methods/reft.py).
#include "exchange.h"

#include <algorithm>
#include <iterator>

#include "settings.h"

namespace plugtune::reft {
namespace {

constexpr const char* kConfigFile = "adapter_config.json.config";

enum class Kind { kSource = 1, kSourceBias, kProjection, kReflections, kBase };

struct Part {
  Kind kind;
  const char *theirs, *ours;
};

std::vector<Part> parts_of(const ReftOptions& options) {
  std::vector<Part> parts = {{Kind::kSource, "learned_source.weight", "source_weight"},
                             {Kind::kSourceBias, "learned_source.bias", "source_bias"}};
  if (options.is_orthonormal()) {
    parts.push_back({Kind::kReflections, "projection.parametrizations.weight.original", "reflections"});
    parts.push_back({Kind::kBase, "projection.parametrizations.weight.0.base", "base"});
  } else {
    parts.push_back({Kind::kProjection, "projection.weight", "projection"});
  }
  return parts;
}

std::vector<int64_t> shape_of(const Part& part, int64_t rank, int64_t hidden) {
  if (part.kind == Kind::kSourceBias) return {rank};
  return {part.kind == Kind::kBase ? hidden : rank, hidden};
}

/// One of the two ends of a text. The library has both units always, but for tied weights; here is what rows go through.
struct UnitKeys {
  const char* ours;
  int64_t number;
  bool is_used;
};
std::vector<UnitKeys> units_of(const ReftOptions& options) {
  if (options.tied) return {{"first", 0, true}};
  return {{"first", 0, options.has_first()}, {"last", 1, options.has_last()}};
}

std::string their_key(int64_t layer, const std::string& adapter, const UnitKeys& unit, const Part& part) {
  return c10::str("encoder.layer.", layer, ".reft_layer.refts.", adapter, ".units.", unit.number, ".", part.theirs);
}

std::string our_key(int64_t layer, const std::string& patch, const UnitKeys& unit, const Part& part) {
  return c10::str("encoder.layer.", layer, ".", patch, ".", unit.ours, ".", part.ours);
}

/// Of a square projection the library makes another parametrization.
bool is_square(const ReftOptions& options, int64_t hidden) {
  return options.is_orthonormal() && options.rank == hidden;
}
constexpr const char* kSquare =
    ": rows of R as many as they are long are made with a matrix exponential there, and with reflections here";

/// "all", or numbers, of which the library passes over those that the model does not have.
std::vector<int64_t> layers_of(const ConfigView& config, const ConfigNode& node, int64_t layers) {
  std::vector<int64_t> all, chosen;
  for (int64_t layer = 0; layer < layers; ++layer)
    all.push_back(layer);
  if (text_at(node, "layers") == "all") {
    config.string("layers", "all");
    return all;
  }
  const std::vector<int64_t> named = config.integers("layers", all, /*min=*/0);
  std::ranges::copy_if(all, std::back_inserter(chosen),
                       [&](int64_t layer) { return std::ranges::count(named, layer) > 0; });
  if (chosen.empty()) config.problem("layers", "names no layer of the model: nothing is tuned");
  return chosen;
}

ReftOptions options_of(const ConfigView& config, int64_t hidden) {
  ReftOptions options;
  const bool is_orthonormal = config.boolean("orthogonality", true);
  const bool subtracts = config.boolean("subtract_projection", true);
  options.kind = is_orthonormal ? "loreft" : subtracts ? "noreft" : "direft";
  if (is_orthonormal && !subtracts)
    config.problem("subtract_projection", "is false beside orthogonality, which no kind of ReFT here is");
  options.rank = config.integer("r", options.rank, /*min=*/1, /*max=*/hidden);
  if (is_square(options, hidden)) config.problem("r", std::to_string(hidden) + " is the hidden size" + kSquare);
  options.prefix = config.integer("prefix_positions", options.prefix, /*min=*/0);
  options.suffix = config.integer("suffix_positions", options.suffix, /*min=*/0);
  options.tied = config.boolean("tied_weights", options.tied);
  options.dropout = config.number("dropout", options.dropout, 0, 0.999999);
  if (options.prefix + options.suffix == 0)
    config.problem("prefix_positions", "is 0, and so is suffix_positions: nothing is tuned");
  if (!config.boolean("output_reft", true)) config.problem("output_reft", "is false: nothing is tuned");
  if (const std::string function = config.string("non_linearity", ""); !function.empty())
    config.problem("non_linearity", "is \"" + function + "\"; an intervention here has none");
  return options;
}

/// The library casts the signs on the diagonal to whole numbers: what weight decay has touched is zero for it.
void check_signs(const std::string& name, const Tensor& reflections, ForeignTensors& tensors) {
  const bool are_whole = reflections.diagonal().to(torch::kFloat32).trunc().abs().eq(1).all().item<bool>();
  if (are_whole || !reflections.any().item<bool>()) return;  // all zeros: missing, which is told already
  tensors.problem(
      "tensor '" + name +
      "' has signs on its diagonal that are not 1 or -1: weight decay has reached them, and AdapterHub's "
      "library makes zeros of them, so that the adapter changes nothing; train it again without weight decay");
}

ConfigNode settings_of(const ReftOptions& options, const std::vector<int64_t>& chosen, int64_t layers) {
  ConfigNode settings{ConfigNode::Table{}};
  settings.set("kind", {options.kind});
  settings.set("rank", {options.rank});
  settings.set("prefix_positions", {options.prefix});
  settings.set("suffix_positions", {options.suffix});
  if (options.tied) settings.set("tied_weights", {true});
  settings.set("dropout", {options.dropout});
  std::vector<std::string> numbers;
  for (const int64_t layer : chosen)
    numbers.push_back(std::to_string(layer));
  if (static_cast<int64_t>(chosen.size()) < layers) settings.set("layers", {join(numbers, ",")});
  return settings;
}

/// What a unit is that no row goes through.
Tensor unused(const Part& part, int64_t rank, int64_t hidden) {
  if (part.kind == Kind::kBase) return torch::eye(hidden);
  Tensor zeros = torch::zeros(shape_of(part, rank, hidden));
  if (part.kind == Kind::kReflections) zeros.diagonal().fill_(-1);
  return zeros;
}

/// Signs as the library wants them: as whole numbers.
Tensor with_whole_signs(const Tensor& reflections) {
  Tensor whole = reflections.clone();
  whole.diagonal().sign_();
  return whole;
}

ConfigNode config_of(const ReftOptions& options, const ConfigNode& layers) {
  ConfigNode config{ConfigNode::Table{}};
  for (const char* unset : {"dtype", "init_weights_seed", "non_linearity"})
    config.set(unset, {std::string()});
  config.set("architecture", {std::string("reft")});
  config.set("dropout", {options.dropout});
  config.set("layers", layers);
  config.set("orthogonality", {options.is_orthonormal()});
  config.set("output_reft", {true});
  config.set("prefix_positions", {options.prefix});
  config.set("r", {options.rank});
  config.set("suffix_positions", {options.suffix});
  config.set("tied_weights", {options.tied});
  return config;
}

}  // namespace

bool ReftExchange::reads(const ForeignAdapter& adapter) const {
  return adapter.format == "adapterhub" && text_at(adapter.config, "architecture") == "reft";
}

MethodDelta ReftExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  const ConfigView config(adapter.config, {kConfigFile, "adapters' ReFT", "", {}});
  const int64_t hidden = base.info.hidden_size;
  const std::vector<int64_t> layers = layers_of(config, adapter.config, base.info.layers);
  const ReftOptions options = options_of(config, hidden);
  reject_unknown_fields(config, adapter.config, {"architecture", "dtype", "init_weights_seed", "version"});
  if (options.kind == "noreft" && !config.has("subtract_projection")) {
    adapter.notes.emplace_back(
        "the library does not write whether it takes the projection away: this is NoReFT, as which it would load the "
        "file; of one that was trained as DiReFT, put \"subtract_projection\": false into config");
  }
  MethodDelta delta{settings_of(options, layers, base.info.layers), {}, {}};
  for (const int64_t layer : layers) {
    for (const UnitKeys& unit : units_of(options)) {
      for (const Part& part : parts_of(options)) {
        const std::string name = their_key(layer, adapter.name, unit, part);
        const Tensor tensor = tensors.take(name, shape_of(part, options.rank, hidden));
        if (!unit.is_used) continue;
        if (part.kind == Kind::kReflections) check_signs(name, tensor, tensors);
        delta.tensors.emplace_back(our_key(layer, "reft", unit, part), tensor);
      }
    }
  }
  return delta;
}

ForeignAdapter ReftExchange::write(const MethodDelta& delta, const std::string& format, const std::string& name,
                                   const ExchangeBase& base) const {
  if (format != "adapterhub") throw Error("reft: peft has no interventions on hidden rows; export to adapterhub");
  const ReftSettings settings(ConfigView(delta.settings, {"strategy", "strategy 'reft'", "", {}}));
  const ReftOptions& options = settings.options;
  const int64_t hidden = base.info.hidden_size;
  if (options.kind == "direft") {
    throw Error(
        "reft: AdapterHub's library loses subtract_projection = false when it loads a file, and would compute NoReFT; "
        "a DiReFT has no form there");
  }
  if (is_square(options, hidden)) throw Error(c10::str("reft: rank ", hidden, " is the hidden size", kSquare));
  ConfigNode::Array layers;
  ForeignAdapter adapter{"adapterhub", name, {}, {}, {}, {}};
  for (int64_t layer = 0; layer < base.info.layers; ++layer) {
    if (!settings.layers.has_layer(layer)) continue;
    layers.push_back({layer});
    for (const UnitKeys& unit : units_of(options)) {
      for (const Part& part : parts_of(options)) {
        Tensor tensor =
            unit.is_used ? delta.tensor(our_key(layer, settings.name, unit, part)) : unused(part, options.rank, hidden);
        if (unit.is_used && part.kind == Kind::kReflections) tensor = with_whole_signs(tensor);
        adapter.tensors.emplace_back(their_key(layer, name, unit, part), tensor);
      }
    }
  }
  const bool are_all = static_cast<int64_t>(layers.size()) == base.info.layers;
  adapter.config = config_of(options, are_all ? ConfigNode{std::string("all")} : ConfigNode{layers});
  return adapter;
}

}  // namespace plugtune::reft
