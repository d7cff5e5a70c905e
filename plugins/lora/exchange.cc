// exchange.cc - which files are LoRA's, and what its readers and writers share.
#include "exchange.h"

#include "delta.h"

namespace plugtune::lora {

ConfigView view_of(const ConfigNode& settings) {
  return ConfigView(settings, {.subject = "strategy", .owner = "strategy 'lora'", .file = "", .open_run = {}});
}

bool LoraExchange::reads(const ForeignAdapter& adapter) const {
  if (adapter.format == "peft") return text_at(adapter.config, "peft_type") == "LORA";
  // (IA)^3 there is LoRA's configuration with another composition.
  return adapter.format == "adapterhub" && text_at(adapter.config, "architecture") == "lora" &&
         text_at(adapter.config, "composition_mode") != "scale";
}

MethodDelta LoraExchange::read(ForeignAdapter& adapter, ForeignTensors& tensors, const ExchangeBase& base) const {
  return adapter.format == "peft" ? read_peft(adapter, tensors, base) : read_adapterhub(adapter, tensors, base);
}

ForeignAdapter LoraExchange::write(const MethodDelta& delta, const std::string& format, const std::string& name,
                                   const ExchangeBase& base) const {
  if (format == "peft") return write_peft(delta, base);
  if (format == "adapterhub") return write_adapterhub(delta, name, base);
  throw Error(format + ": LoRA is written as peft or adapterhub");
}

std::vector<std::string> LoraExchange::methods() const {
  std::vector<std::string> names;
  for (const Algorithm& algorithm : algorithms())
    names.emplace_back(algorithm.name);
  return names;
}

CombinedDelta LoraExchange::combine(const std::vector<MethodDelta>& deltas, const CombineOptions& options,
                                    const ExchangeBase& base) const {
  return lora::combine(deltas, options, base);
}

LoraDelta::LoraDelta(const MethodDelta& delta, const std::string& format, const ExchangeBase& base)
    : settings(view_of(delta.settings)),
      sites(bert_sites(base.info)),
      tensors(delta.tensors.begin(), delta.tensors.end()) {
  if (settings.chooses({"classifier", Role::kClassifier, -1})) {
    throw Error(format +
                ": the classifier is a head there and cannot have a low-rank update; train without the target "
                "'classifier', or merge");
  }
  for (const BertSite& site : sites)
    if (settings.chooses(site.info)) chosen.push_back(site);
  if (chosen.empty()) throw Error(format + ": the targets of this delta match no layer of its base");
}

Tensor LoraDelta::at(const BertSite& site, const std::string& parameter) const {
  const std::string key = delta_key(site, settings.name, parameter);
  const auto found = tensors.find(key);
  if (found == tensors.end()) throw Error("delta of strategy 'lora': has no tensor '" + key + "'");
  return found->second;
}

ConfigNode text_node(const std::string& text) { return {text}; }

ConfigNode integers_node(const std::vector<int64_t>& numbers) {
  ConfigNode::Array array;
  for (const int64_t number : numbers)
    array.push_back({number});
  return {array};
}

ConfigNode null_node() { return text_node(""); }

}  // namespace plugtune::lora
