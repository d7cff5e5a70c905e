#pragma once
// methods.h - the strategies of one run, applied to its model, and whose code it is when something throws.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/bert.h"
#include "plugin/loader.h"

namespace plugtune::train {

/// Strategies in the order of the experiment file. Owns them; they must outlive the model's patches' use.
class Methods {
 public:
  Methods() = default;
  explicit Methods(std::vector<plugin::LoadedStrategy> strategies);

  /// Applies all, in order. Throws Error, with the strategy's name and file, when one throws, changes base weights, or attaches
  /// a patch under a name that is taken.
  void apply(model::Bert& model);

  const std::vector<plugin::LoadedStrategy>& all() const noexcept { return strategies_; }

  /// Rate and decay of a trainable: the last strategy that groups parameters and owns the patch decides; scales multiply.
  ParamRule rule(const std::string& name) const;

  /// Parameters of each strategy's patches that train, and the base's that it asked for.
  std::vector<int64_t> trainable_counts() const noexcept { return trainable_counts_; }

  /// Runs a forward or backward pass; what a patch throws leaves as Error that names its strategy.
  template <class Function>
  auto guard(const char* pass, Function&& function) const {
    try {
      return std::forward<Function>(function)();
    } catch (const PatchError& error) {
      throw Error(explain(error));
    } catch (const c10::Error& error) {
      throw Error(explain(pass, error.what_without_backtrace()));
    }
  }

 private:
  std::string explain(const PatchError& error) const;
  std::string explain(const char* pass, const std::string& text) const;

  std::vector<plugin::LoadedStrategy> strategies_;
  std::map<std::string, size_t> owner_;  // patch -> strategy
  std::vector<int64_t> trainable_counts_;
};

}  // namespace plugtune::train
