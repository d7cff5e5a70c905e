// exchange.cc - VeRA in the files of peft 0.21 (tuners/vera).
#include "exchange.h"

#include <ATen/CPUGeneratorImpl.h>

#include "plugtune/blocks/peft_modules.h"
#include "projection.h"
#include "settings.h"

namespace plugtune::vera {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kA = "vera_A";
constexpr const char* kB = "vera_B";
constexpr const char* kLambdaB = ".vera_lambda_b";
constexpr const char* kLambdaD = ".vera_lambda_d";

struct PeftConfig {
  PeftModules modules;
  int64_t rank = 0, prng_key = 0;
  double start = 0, dropout = 0;
  bool has_projection = true;
};

PeftConfig config_of(const ConfigView& view, const ConfigNode& config, const std::vector<BertSite>& linears) {
  PeftConfig read;
  read.modules = read_peft_modules(view, config, linears);
  read.rank = view.integer("r", 256, /*min=*/1);
  read.start = view.number("d_initial", 0.1);
  read.dropout = view.number("vera_dropout", 0, 0, 0.999999);
  read.has_projection = view.boolean("save_projection", true);
  read.prng_key = view.integer("projection_prng_key", 0, /*min=*/0);
  if (const std::string bias = view.string("bias", "none"); bias != "none")
    view.problem("bias", "is \"" + bias + "\": biases do not train with VeRA here");
  reject_unknown_fields(view, config, with_peft_fields({"init_weights"}));
  return read;
}

/// Out of the file, or drawn again: the library's own generator is libtorch's.
Projection projection_of(const PeftConfig& config, const Widest& widest, ForeignTensors& tensors,
                         std::vector<std::string>& notes) {
  if (config.has_projection)
    return {tensors.take(kA, {config.rank, widest.in}), tensors.take(kB, {widest.out, config.rank})};
  const std::string key = std::to_string(config.prng_key);
  notes.push_back(
      "the random matrices are not in the file (save_projection = false); they are drawn again from "
      "projection_prng_key = " +
      key + ", as peft does when it loads the file");
  return draw_projection(config.rank, widest,
                         at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(config.prng_key)));
}

}  // namespace

bool VeraExchange::reads(const ForeignAdapter& adapter) const {
  return adapter.format == "peft" && text_at(adapter.config, "peft_type") == "VERA";
}

MethodDelta VeraExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  const ConfigView view(adapter.config, {kConfigFile, "peft's VeRA", "", {}});
  const std::vector<BertSite> linears = bert_linears(base.info);
  const PeftConfig config = config_of(view, adapter.config, linears);
  const std::vector<BertSite> chosen = chosen_sites(config.modules, linears, tensors, {kLambdaB}, view, adapter.notes);
  MethodDelta delta{ConfigNode{ConfigNode::Table{}}, {}, {}};
  set_targets(delta.settings, chosen, base.info);
  delta.settings.set("rank", {config.rank});
  if (config.start != 0.1) delta.settings.set("d_initial", {config.start});
  if (config.dropout > 0) delta.settings.set("dropout", {config.dropout});
  Widest widest;
  for (const BertSite& site : chosen)
    widest.include(site.in_features, site.out_features);
  const Projection projection = projection_of(config, widest, tensors, adapter.notes);
  delta.tensors.emplace_back(delta_key(chosen.front(), "vera", "a"), projection.a);
  delta.tensors.emplace_back(delta_key(chosen.front(), "vera", "b"), projection.b);
  for (const BertSite& site : chosen) {
    delta.tensors.emplace_back(delta_key(site, "vera", "lambda_b"),
                               tensors.take(site.info.path + kLambdaB, {site.out_features}));
    delta.tensors.emplace_back(delta_key(site, "vera", "lambda_d"),
                               tensors.take(site.info.path + kLambdaD, {config.rank}));
  }
  return delta;
}

ForeignAdapter VeraExchange::write(const MethodDelta& delta, const std::string& format, const std::string&,
                                   const ExchangeBase& base) const {
  if (format != "peft") {
    throw Error(
        "vera: what AdapterHub's library calls VeRA trains whole matrices where VeRA has vectors; export to peft or "
        "hf");
  }
  const VeraSettings settings(ConfigView(delta.settings, {"strategy", "strategy 'vera'", "", {}}));
  const std::vector<BertSite> chosen = linears_of(delta, settings.targets, "vera", base.info);
  ForeignAdapter adapter{"peft", "", peft_config("VERA"), {}, {}, {}};
  for (const char* unset : {"layers_pattern", "layers_to_transform"})
    adapter.config.set(unset, {std::string()});
  adapter.config.set("bias", {std::string("none")});
  adapter.config.set("d_initial", {settings.start});
  adapter.config.set("fan_in_fan_out", {false});
  adapter.config.set("init_weights", {true});
  adapter.config.set("projection_prng_key", {int64_t{0}});
  adapter.config.set("r", {settings.rank});
  adapter.config.set("save_projection", {true});
  adapter.config.set("target_modules", array_of(peft_names(chosen, base.info)));
  adapter.config.set("vera_dropout", {settings.dropout});
  const auto tensor = [&](const BertSite& site, const char* parameter) {
    return delta.tensor(delta_key(site, settings.name, parameter));
  };
  adapter.tensors.emplace_back(kA, tensor(chosen.front(), "a"));
  adapter.tensors.emplace_back(kB, tensor(chosen.front(), "b"));
  for (const BertSite& site : chosen) {
    adapter.tensors.emplace_back(site.info.path + kLambdaB, tensor(site, "lambda_b"));
    adapter.tensors.emplace_back(site.info.path + kLambdaD, tensor(site, "lambda_d"));
  }
  return adapter;
}

}  // namespace plugtune::vera
