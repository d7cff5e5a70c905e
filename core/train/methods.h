#pragma once
// methods.h - the strategies of one run, applied to its model, and whose code it is when something throws.

#include <string>
#include <utility>
#include <vector>

#include "model/bert.h"
#include "plugin/loader.h"
#include "train/composed_delta.h"

namespace plugtune::train {

/// Strategies in the order of the experiment file. Owns them; they must outlive the model's patches' use.
class Methods {
 public:
  Methods() = default;
  /// @param frozen  for each strategy (empty: none is), whether its patches stay as they are. A frozen strategy sees no steps, adds no
  ///                loss and groups no parameters.
  explicit Methods(std::vector<plugin::LoadedStrategy> strategies, std::vector<bool> frozen = {});

  /// Applies all, in order. Throws Error, with the strategy's name and file, when one throws or changes base weights.
  void apply(model::Bert& model);

  const std::vector<plugin::LoadedStrategy>& all() const noexcept { return strategies_; }

  bool is_frozen(size_t strategy) const { return frozen_[strategy]; }
  /// Whose each key of the delta is.
  const ComposedDelta& composed() const noexcept { return composed_; }

  /// Rate and decay of a trainable, by all strategies that group parameters: scales multiply, of decays the last one's counts.
  ParamRule rule(const std::string& name) const;

  /// One of them sees weights or gradients between passes: it observes steps, or adds to the loss.
  bool look_at_weights() const;
  /// True when one of them adds to the loss of each step.
  bool have_auxiliary_loss() const;
  /// False while one of them has not the form yet in which it may be kept as the best.
  bool have_final_form() const;

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

  /// loss.backward(). Whatever an autograd function throws leaves as Error. It carries no name, so every strategy that it can be of
  /// is named: those whose plugins have functions of their own in the graph.
  void backward(const Tensor& loss) const;

 private:
  std::string explain(const PatchError& error) const;
  std::string explain(const char* pass, const std::string& text) const;

  std::vector<plugin::LoadedStrategy> strategies_;
  std::vector<bool> frozen_;
  ComposedDelta composed_;
  std::vector<int64_t> trainable_counts_;
};

}  // namespace plugtune::train
