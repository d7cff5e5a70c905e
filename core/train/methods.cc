// methods.cc - applying strategies and finding whose patch threw.
#include "train/methods.h"

#include "plugtune/error.h"

namespace plugtune::train {
namespace {

/// "a.b.c.name" of every patch, from "a.b.c: name, name".
std::vector<std::string> patch_keys(const model::Bert& model) {
  std::vector<std::string> keys;
  for (const std::string& line : model.patched_sites()) {
    const size_t colon = line.find(": ");
    for (size_t at = colon + 2; at < line.size();) {
      const size_t end = std::min(line.find(", ", at), line.size());
      keys.push_back(line.substr(0, colon) + "." + line.substr(at, end - at));
      at = end + 2;
    }
  }
  return keys;
}

int64_t trainable_numbers(const model::Bert& model) {
  int64_t count = 0;
  for (const auto& [name, parameter] : model.own_parameters())
    count += parameter.requires_grad() ? parameter.numel() : 0;
  for (const auto& [name, parameter] : model.patch_parameters())
    count += parameter.requires_grad() ? parameter.numel() : 0;
  return count;
}

}  // namespace

Methods::Methods(std::vector<plugin::LoadedStrategy> strategies) : strategies_(std::move(strategies)) {}

void Methods::apply(model::Bert& model) {
  for (size_t i = 0; i < strategies_.size(); ++i) {
    const plugin::LoadedStrategy& strategy = strategies_[i];
    const int64_t before = trainable_numbers(model);
    strategy.apply(model);
    trainable_counts_.push_back(trainable_numbers(model) - before);
    for (const std::string& key : patch_keys(model))
      owner_.emplace(key, i);
    for (const auto& [name, parameter] : model.own_parameters()) {
      if (parameter.requires_grad() && !model.trained_base().contains(name) && !name.starts_with("classifier.")) {
        throw Error("in " + strategy.plugin.subject() + ", apply(): lets the base parameter '" + name +
                    "' train without asking through train_base()");
      }
    }
  }
}

ParamRule Methods::rule(const std::string& name) const {
  ParamRule combined;
  for (const auto& strategy : strategies_) {
    if (strategy.grouping == nullptr) continue;
    const ParamRule own = strategy.plugin.call("rule()", [&] { return strategy.grouping->rule(name); });
    combined.learning_rate_scale *= own.learning_rate_scale;
    if (own.weight_decay) combined.weight_decay = own.weight_decay;
  }
  return combined;
}

std::string Methods::explain(const PatchError& error) const {
  const auto at = owner_.find(error.patch());
  return (at == owner_.end() ? "in forward() of "
                             : "in " + strategies_[at->second].plugin.subject() + ", forward() of ") +
         error.what();
}

std::string Methods::explain(const char* pass, const std::string& text) const {
  // A backward function of a plugin carries no name; with one strategy it can only be its.
  const std::string whose = strategies_.size() == 1 ? strategies_.front().plugin.subject() + ", " : "";
  return "in " + whose + pass + ": " + text;
}

}  // namespace plugtune::train
