// gates.cc - a gated LoRA in files is a plain one, and its gates.
#include "gates.h"

#include "delta.h"

namespace plugtune::lora {
namespace {

constexpr const char* kGating = "use_gating";
constexpr const char* kParameters[] = {"weight", "bias"};

std::string in_file(const std::string& site, const std::string& adapter, const std::string& parameter) {
  return site + ".loras." + adapter + ".gate." + parameter;
}

/// What the library multiplies by the gate alone: the same settings with scale 1, and the scale in B.
MethodDelta without_scale(const MethodDelta& delta, const LoraDelta& parts) {
  MethodDelta plain{delta.settings, {}, {}};
  plain.settings.set("alpha", {parts.settings.defaults.rank});
  plain.settings.set("alphas", {ConfigNode::Table{}});
  plain.settings.set("rank_stabilized", {false});
  for (const BertSite& site : parts.chosen) {
    const std::string patch = site.info.path + "." + parts.settings.name + ".";
    const double scale = parts.scale(site);
    const Tensor b = parts.at(site, "update.b");
    plain.tensors.emplace_back(patch + "update.a", parts.at(site, "update.a"));
    plain.tensors.emplace_back(patch + "update.b", scale == 1 ? b : b * scale);
  }
  return plain;
}

}  // namespace

MethodDelta GatedLoraExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  if (adapter.format != "adapterhub" || !is_true_at(adapter.config, kGating))
    return LoraExchange::read(adapter, tensors, base);
  ForeignAdapter plain = adapter;
  plain.config.set(kGating, {false});
  const ConfigNode* rank = adapter.config.find("r");
  plain.config.set("alpha", rank == nullptr ? ConfigNode{int64_t{8}} : *rank);  // 8: the library's default
  MethodDelta delta = LoraExchange::read(plain, tensors, base);
  adapter.notes = plain.notes;
  delta.settings.set("gate", {true});
  const std::string update = ".lora.update.a";
  std::vector<std::pair<std::string, Tensor>> gates;
  for (const auto& [key, a] : delta.tensors) {
    if (!key.ends_with(update)) continue;
    const std::string site = key.substr(0, key.size() - update.size());
    gates.emplace_back(site + ".lora.gate.weight", tensors.take(in_file(site, adapter.name, "weight"), {1, a.size(1)}));
    gates.emplace_back(site + ".lora.gate.bias", tensors.take(in_file(site, adapter.name, "bias"), {1}));
  }
  delta.tensors.insert(delta.tensors.end(), gates.begin(), gates.end());
  tensors.throw_if_problems();
  return delta;
}

ForeignAdapter GatedLoraExchange::write(const MethodDelta& delta, const std::string& format, const std::string& name,
                                        const ExchangeBase& base) const {
  if (!is_true_at(delta.settings, "gate")) return LoraExchange::write(delta, format, name, base);
  if (format == "peft") throw Error("peft: a LoRA has no gates there (gate = true); export as adapterhub");
  const LoraDelta parts(delta, format, base);
  ForeignAdapter adapter = LoraExchange::write(without_scale(delta, parts), format, name, base);
  adapter.config.set(kGating, {true});
  bool has_scale = false;
  for (const BertSite& site : parts.chosen) {
    has_scale = has_scale || parts.scale(site) != 1;
    for (const char* parameter : kParameters)
      adapter.tensors.emplace_back(in_file(site.info.path, name, parameter),
                                   parts.at(site, std::string("gate.") + parameter));
  }
  if (has_scale) adapter.notes.emplace_back("the scale alpha / r is in lora_B: beside a gate the library has none");
  return adapter;
}

}  // namespace plugtune::lora
