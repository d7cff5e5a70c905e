// adapter_settings.cc - named configurations of bottleneck adapters, and the options that override them.
#include "plugtune/blocks/adapter_settings.h"

#include <algorithm>
#include <charconv>

#include "plugtune/error.h"

namespace plugtune {
inline namespace v1 {
namespace {

constexpr const char* kNice = "nice";

using BoolOrWord = std::variant<bool, std::string>;
using NumberOrWord = std::variant<double, std::string>;

/// Defaults of a named configuration.
struct Preset {
  std::vector<std::string> names;  ///< the paper's, the library's
  bool mh_adapter, output_adapter;
  bool original_ln_before, original_ln_after;
  BoolOrWord residual_before_ln;
  bool is_parallel;
  std::string non_linearity;
  double reduction_factor;
  std::string init_weights;
  NumberOrWord scaling;
  double stochastic_depth;
  bool phm_layer = false;
  std::string inv_adapter{};
};

std::vector<Preset> all_presets() {
  std::vector<Preset> list = {
      {{"pfeiffer", "seq_bn"}, false, true, true, true, true, false, "relu", 16, "bert", 1.0, 0.0},
      {{"houlsby", "double_seq_bn"}, true, true, false, true, true, false, "swish", 16, "bert", 1.0, 0.0},
      {{"parallel", "par_bn"}, false, true, false, true, true, true, "relu", 2, "mam", 4.0, 0.0},
      {{"scaled_parallel", "scaled_par_bn"}, false, true, false, true, true, true, "relu", 2, "mam", "learned", 0.0},
      {{"adapter_plus"}, false, true, true, false, false, false, "gelu", 96, "houlsby", "channel", 0.1},
      {{"compacter"}, true, true, false, true, true, false, "gelu", 32, "bert", 1.0, 0.0, true},
      {{"compacter++"}, false, true, true, true, true, false, "gelu", 32, "bert", 1.0, 0.0, true},
  };
  // The language adapters of MAD-X: each of the first two with an invertible layer.
  for (const size_t base : {0, 1}) {
    Preset with_layer = list[base];
    with_layer.names = {with_layer.names[0] + "+inv", with_layer.names[1] + "_inv"};
    with_layer.inv_adapter = kNice;
    list.push_back(std::move(with_layer));
  }
  return list;
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> list = all_presets();
  return list;
}

const Preset& preset(const ConfigView& config) {
  const std::string name = config.choice("config", "pfeiffer", adapter_config_names());
  return *std::find_if(presets().begin(), presets().end(), [&](const Preset& entry) {
    return std::find(entry.names.begin(), entry.names.end(), name) != entry.names.end();
  });
}

BottleneckInit read_init(const ConfigView& config, const std::string& fallback) {
  const std::string name = config.choice("init_weights", fallback, {"bert", "mam", "mam_adapter", "houlsby"});
  if (name == "bert") return BottleneckInit::kBert;
  return name == "houlsby" ? BottleneckInit::kHoulsby : BottleneckInit::kMam;
}

void read_scaling(const ConfigView& config, const NumberOrWord& fallback, BottleneckOptions& bottleneck) {
  const NumberOrWord scaling = config.number_or("scaling", fallback, {"learned", "channel"});
  if (const double* factor = std::get_if<double>(&scaling)) {
    bottleneck.scaling = *factor;
  } else {
    const bool learned = std::get<std::string>(scaling) == "learned";
    bottleneck.scaling_kind = learned ? Scaling::kLearned : Scaling::kChannel;
  }
}

AdapterResidual read_residual(const ConfigView& config, const BoolOrWord& fallback) {
  const BoolOrWord value = config.boolean_or("residual_before_ln", fallback, {"post_add"});
  if (std::holds_alternative<std::string>(value)) return AdapterResidual::kAfterAdd;
  return std::get<bool>(value) ? AdapterResidual::kBeforeNorm : AdapterResidual::kAfterNorm;
}

// The layer that a key of the table names, or -1.
int64_t layer_of(const std::string& key) {
  int64_t layer = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), layer);
  return error == std::errc() && end == key.data() + key.size() && layer >= 0 ? layer : -1;
}

std::map<std::string, double> read_reduction_factor(const ConfigView& config, double fallback) {
  const auto factors = config.number_or_numbers("reduction_factor", fallback);
  for (const auto& [key, factor] : factors) {
    if (key != "default" && layer_of(key) < 0) {
      config.problem("reduction_factor", "must name layers (\"0\", \"1\", ...) and \"default\", got '" + key + "'");
    }
    if (factor <= 0) config.problem("reduction_factor", "must be greater than 0, got " + c10::str(factor));
  }
  return factors;
}

// Options of the library's PHM layers that are known here in this one form, which is Compacter's.
void require_compacter(const ConfigView& config) {
  const std::pair<const char*, bool> forms[] = {{"factorized_phm_W", true},
                                                {"shared_W_phm", false},
                                                {"shared_phm_rule", true},
                                                {"factorized_phm_rule", false},
                                                {"phm_bias", true}};
  for (const auto& [key, form] : forms) {
    if (config.has(key) && config.boolean(key, form) != form) {
      config.problem(key, std::string("must be ") + (form ? "true" : "false") +
                              ", the only form of PHM layers that is known here (Compacter's), got " +
                              (form ? "false" : "true"));
    }
  }
}

PhmOptions read_phm(const ConfigView& config, bool fallback) {
  PhmOptions phm;
  if (!config.boolean("phm_layer", fallback)) return phm;
  phm.dim = config.integer("phm_dim", 4, /*min=*/1);
  phm.rank = config.integer("phm_rank", 1, /*min=*/1);
  phm.uniform_rule = config.choice("phm_c_init", "normal", {"normal", "uniform"}) == "uniform";
  phm.rule_deviation = config.number("phm_init_range", phm.rule_deviation, /*min=*/0);
  phm.learn_rule = config.boolean("learn_phm", true);
  require_compacter(config);
  return phm;
}

std::optional<NiceOptions> read_invertible(const ConfigView& config, const std::string& fallback,
                                           const std::string& non_linearity) {
  const std::string kind = config.string("inv_adapter", fallback);
  if (kind == "glow") {
    config.problem("inv_adapter",
                   "must be \"nice\" or \"\" (none); \"glow\" fails on every text in AdapterHub's own library");
  } else if (!kind.empty() && kind != kNice) {
    config.problem("inv_adapter", "must be \"nice\" or \"\" (none), got \"" + kind + "\"");
  }
  NiceOptions options;
  options.reduction_factor = config.number("inv_adapter_reduction_factor", options.reduction_factor);
  if (options.reduction_factor <= 0) {
    config.problem("inv_adapter_reduction_factor",
                   "must be greater than 0, got " + std::string(c10::str(options.reduction_factor)));
  }
  const bool is_own = config.string("inv_adapter_non_linearity", "").empty();  // "": as the adapter's
  options.activation =
      is_own ? non_linearity : config.choice("inv_adapter_non_linearity", non_linearity, activation_names());
  return kind == kNice ? std::optional(options) : std::nullopt;
}

}  // namespace

const std::vector<std::string>& adapter_config_names() {
  static const std::vector<std::string> list = [] {
    std::vector<std::string> names;
    for (const Preset& entry : presets())
      names.insert(names.end(), entry.names.begin(), entry.names.end());
    return names;
  }();
  return list;
}

AdapterSettings::AdapterSettings(const ConfigView& config) : config_(config) {
  constexpr double kBelowOne = 0.999999;
  const Preset& preset = plugtune::preset(config);
  mh_adapter = config.boolean("mh_adapter", preset.mh_adapter);
  output_adapter = config.boolean("output_adapter", preset.output_adapter);
  reduction_factor = read_reduction_factor(config, preset.reduction_factor);
  leave_out = config.integers("leave_out", {}, /*min=*/0);
  options_.is_parallel = config.boolean("is_parallel", preset.is_parallel);
  options_.original_ln_before = config.boolean("original_ln_before", preset.original_ln_before);
  options_.original_ln_after = config.boolean("original_ln_after", preset.original_ln_after);
  options_.residual = read_residual(config, preset.residual_before_ln);
  options_.ln_before = config.boolean("ln_before", false);
  options_.ln_after = config.boolean("ln_after", false);
  options_.adapter_residual_before_ln = config.boolean("adapter_residual_before_ln", false);
  options_.use_gating = config.boolean("use_gating", false);
  options_.stochastic_depth = config.number("stochastic_depth", preset.stochastic_depth, 0, kBelowOne);
  options_.bottleneck.activation = config.choice("non_linearity", preset.non_linearity, activation_names());
  options_.bottleneck.dropout = config.number("dropout", 0, 0, kBelowOne);
  options_.bottleneck.init = read_init(config, preset.init_weights);
  read_scaling(config, preset.scaling, options_.bottleneck);
  options_.bottleneck.phm = read_phm(config, preset.phm_layer);
  nice_ = read_invertible(config, preset.inv_adapter, options_.bottleneck.activation);
  name = config.string("name", "adapter");

  if (!mh_adapter && !output_adapter) {
    config.problem("output_adapter", "is false, and so is mh_adapter: there is no place left for an adapter");
  }
  if (!options_.is_parallel && options_.residual == AdapterResidual::kAfterAdd && !options_.original_ln_before) {
    config.problem("residual_before_ln", "\"post_add\" needs original_ln_before = true");
  }
  if (options_.bottleneck.phm.dim > 0 && options_.bottleneck.init != BottleneckInit::kBert) {
    config.problem("init_weights",
                   "must be \"bert\" with phm_layer, whose weights have an initialisation of their own");
  }
}
AdapterSettings::~AdapterSettings() = default;

std::vector<int64_t> AdapterSettings::layers(int64_t count) const {
  const auto check = [&](const char* key, int64_t layer) {
    if (layer < count) return;
    throw config_.error(key,
                        "the model has layers 0 to " + std::to_string(count - 1) + ", got " + std::to_string(layer));
  };
  for (const int64_t layer : leave_out)
    check("leave_out", layer);
  for (const auto& [key, factor] : reduction_factor)
    check("reduction_factor", layer_of(key));

  std::vector<int64_t> chosen;
  for (int64_t layer = 0; layer < count; ++layer) {
    if (std::find(leave_out.begin(), leave_out.end(), layer) != leave_out.end()) continue;
    if (!reduction_factor.contains("default") && !reduction_factor.contains(std::to_string(layer))) {
      throw config_.error("reduction_factor", "has neither \"" + std::to_string(layer) +
                                                  "\" nor \"default\": how wide is the adapter there?");
    }
    chosen.push_back(layer);
  }
  if (chosen.empty()) throw config_.error("leave_out", "leaves out every layer of the model");
  return chosen;
}

std::vector<JunctionSite*> AdapterSettings::places(Model& model) const {
  std::vector<JunctionSite*> chosen;
  for (const int64_t layer : layers(model.info().layers)) {
    if (mh_adapter) chosen.push_back(&model.junction(Role::kAfterAttention, layer));
    if (output_adapter) chosen.push_back(&model.junction(Role::kAfterFfn, layer));
  }
  return chosen;
}

AdapterBlockOptions AdapterSettings::block(int64_t layer, int64_t hidden_size) const {
  const auto own = reduction_factor.find(std::to_string(layer));
  const double factor = own != reduction_factor.end() ? own->second : reduction_factor.at("default");
  AdapterBlockOptions options = options_;
  BottleneckOptions& bottleneck = options.bottleneck;
  if (bottleneck.phm.dim > 0 && hidden_size % bottleneck.phm.dim != 0) {
    throw config_.error("phm_dim", "must divide the model's hidden size " + std::to_string(hidden_size) + ", got " +
                                       std::to_string(bottleneck.phm.dim));
  }
  bottleneck.hidden_size = hidden_size;
  bottleneck.width = bottleneck_width(hidden_size, factor, std::max<int64_t>(1, bottleneck.phm.dim));
  return options;
}

std::optional<NiceOptions> AdapterSettings::invertible(int64_t hidden_size) const {
  if (!nice_) return std::nullopt;
  NiceOptions options = *nice_;
  options.hidden_size = hidden_size;
  if (const auto half = static_cast<double>(options.first_half()); options.reduction_factor > half) {
    throw config_.error("inv_adapter_reduction_factor", "must be at most " + std::string(c10::str(half)) +
                                                            ", half of the model's hidden size, got " +
                                                            c10::str(options.reduction_factor));
  }
  return options;
}

}  // namespace v1
}  // namespace plugtune
