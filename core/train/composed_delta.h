#pragma once
// composed_delta.h - whose each delta key is in a run of several strategies, and what it is called where they are alone.
//
// A patch's name that is taken gets "_2", "_3", ... (Site::attach): the second adapter of a stack is `<site>.adapter_2` here and
// `<site>.adapter` in a run of its own, in a foreign file, in the run that it is taken from.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/named_tensors.h"
#include "model/bert.h"

namespace plugtune::train {

using formats::NamedTensors;

/// Strategies that stand one after another in the list of a run.
struct StrategyRange {
  size_t first = 0, count = 1;
  bool has(size_t strategy) const noexcept { return strategy >= first && strategy < first + count; }
};

/// Knows which strategy attached which patch and asked for which base parameter.
class ComposedDelta {
 public:
  /// Takes note of what the strategy that was applied last brought. To be called once after each, in their order.
  void add_strategy(model::Bert& model);

  /// The strategy that a delta key is of; nullopt: the head's, or no key of this run's delta.
  std::optional<size_t> owner(const std::string& key) const;
  /// The strategy that attached a patch, `<site path>.<patch>`.
  std::optional<size_t> owner_of_patch(const std::string& patch) const;

  /// What a delta has of these strategies, by the keys that it has where they are the only ones, in this order.
  NamedTensors alone(const NamedTensors& delta, StrategyRange range) const;
  /// The reverse: a delta of these strategies alone by the keys that it has here. Keys of no patch of theirs stay as they are.
  NamedTensors here(const NamedTensors& delta, StrategyRange range) const;

 private:
  struct Attached {
    size_t strategy;
    std::string site, name, asked;  ///< called `name`, since `asked` was taken
  };
  using Names = std::map<std::string, std::string>;  // `<site>.<patch>` to `<site>.<patch>`
  Names alone_names(StrategyRange range) const;

  size_t strategies_ = 0;
  std::vector<Attached> attached_;  // per site innermost first
  std::map<std::string, size_t> patch_owner_, base_owner_;
  std::map<std::string, std::set<std::string>> names_of_site_;  // names that a patched site itself takes
};

}  // namespace plugtune::train
