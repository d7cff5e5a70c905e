// composed_delta.cc - keys of a run's delta to those of its strategies alone, and back.
#include "train/composed_delta.h"

#include "model/each_site.h"

namespace plugtune::train {
namespace {

/// The patch that a key is of, and what follows its name. Names of parameters and sites have dots too.
struct Split {
  std::string patch, parameter;
};

template <class Value>
std::optional<Split> split(const std::string& key, const std::map<std::string, Value>& patches) {
  for (size_t dot = key.rfind('.'); dot != std::string::npos && dot > 0; dot = key.rfind('.', dot - 1)) {
    if (const std::string patch = key.substr(0, dot); patches.contains(patch)) return Split{patch, key.substr(dot)};
  }
  return std::nullopt;
}

/// What Site::attach() makes of a name. @param taken  gets it too
std::string free_name(const std::string& asked, std::set<std::string>& taken) {
  std::string name = asked;
  for (int number = 2; !taken.insert(name).second; ++number)
    name = asked + "_" + std::to_string(number);
  return name;
}

}  // namespace

void ComposedDelta::add_strategy(model::Bert& model) {
  model::for_each_site(model, [&](auto& site) {
    if (site.bare()) return;
    const std::string& path = site.info().path;
    std::set<std::string> own;
    for (const auto& parameter : site.named_parameters(/*recurse=*/false))
      own.insert(parameter.key());
    for (const auto& child : site.named_children())
      own.insert(child.key());
    for (size_t i = 0; i < site.patches().size(); ++i) {
      const std::string& name = site.patches()[i].first;
      own.erase(name);
      if (!patch_owner_.emplace(path + "." + name, strategies_).second) continue;
      attached_.push_back({strategies_, path, name, site.asked_names()[i]});
    }
    names_of_site_[path] = own;
  });
  for (const std::string& name : model.trained_base())
    base_owner_.emplace(name, strategies_);
  ++strategies_;
}

std::optional<size_t> ComposedDelta::owner_of_patch(const std::string& patch) const {
  const auto at = patch_owner_.find(patch);
  return at == patch_owner_.end() ? std::nullopt : std::optional(at->second);
}

std::optional<size_t> ComposedDelta::owner(const std::string& key) const {
  if (const auto at = base_owner_.find(key); at != base_owner_.end()) return at->second;
  const auto found = split(key, patch_owner_);
  return found ? owner_of_patch(found->patch) : std::nullopt;
}

ComposedDelta::Names ComposedDelta::alone_names(StrategyRange range) const {
  Names names;
  std::map<std::string, std::set<std::string>> taken = names_of_site_;
  for (const Attached& patch : attached_) {
    if (!range.has(patch.strategy)) continue;
    names.emplace(patch.site + "." + patch.name, patch.site + "." + free_name(patch.asked, taken[patch.site]));
  }
  return names;
}

NamedTensors ComposedDelta::alone(const NamedTensors& delta, StrategyRange range) const {
  const Names names = alone_names(range);
  NamedTensors part;
  for (const auto& [key, tensor] : delta) {
    if (const auto base = base_owner_.find(key); base != base_owner_.end()) {
      if (range.has(base->second)) part.emplace(key, tensor);
    } else if (const auto found = split(key, names)) {
      part.emplace(names.at(found->patch) + found->parameter, tensor);
    }
  }
  return part;
}

NamedTensors ComposedDelta::here(const NamedTensors& delta, StrategyRange range) const {
  Names reversed;
  for (const auto& [here, alone] : alone_names(range))
    reversed.emplace(alone, here);
  NamedTensors part;
  for (const auto& [key, tensor] : delta) {
    const auto found = split(key, reversed);
    part.emplace(found ? reversed.at(found->patch) + found->parameter : key, tensor);
  }
  return part;
}

}  // namespace plugtune::train
