#pragma once
// loader.h - from a name in an experiment to an object of a plugin: resolve, stamp, dlopen, descriptor, create.

#include <cstdint>
#include <memory>
#include <string>

#include "plugin/guard.h"
#include "plugin/search.h"
#include "plugtune/dataset.h"
#include "plugtune/exchange.h"
#include "plugtune/final_form.h"
#include "plugtune/plugin.h"
#include "plugtune/strategy.h"
#include "plugtune/training_plan.h"

namespace plugtune::plugin {

struct LoadedStrategy;
struct LoadedDataset;

/// A loaded plugin. Cheap to copy; its library stays in the process to the end, because autograd graphs, exceptions and
/// vtables outlive any scope.
class Plugin {
 public:
  const std::string& path() const noexcept { return path_; }
  Kind kind() const noexcept { return kind_; }
  const std::string& name() const noexcept { return name_; }
  const std::string& version() const noexcept { return version_; }
  const std::string& summary() const noexcept { return summary_; }
  uint32_t flags() const noexcept { return item_->flags; }  ///< PLUGTUNE_FLAG_*
  bool has_flag(uint32_t flag) const noexcept { return (item_->flags & flag) != 0; }

  /// "strategy 'scale' 1.0.0 (build/release/lib/plugtune/scale.strategy.so)": how messages name it.
  const std::string& subject() const noexcept { return subject_; }

  /// A call into the plugin: see guard().  plugin.call("on_step_end()", [&] { observer->on_step_end(step); });
  template <class Function>
  auto call(const char* what, Function&& function) const {
    return guard(subject_, what, std::forward<Function>(function));
  }

  /// Makes the strategy, then rejects unknown keys should the plugin have forgotten to. Throws Error: every problem of the
  /// settings as the plugin noted them, or what the constructor threw.
  LoadedStrategy create_strategy(const ConfigView& settings) const;
  LoadedDataset create_dataset(const ConfigView& settings) const;

  /// Converts this strategy's deltas; null when it cannot.
  std::unique_ptr<Exchange> create_exchange() const;

  /// The same without the host's own rejection of unknown keys: for `plugtune check`, which tells plugins that forget.
  LoadedStrategy create_strategy_unchecked(const ConfigView& settings) const;
  LoadedDataset create_dataset_unchecked(const ConfigView& settings) const;

 private:
  friend Plugin load_file(Kind kind, const std::string& path);
  Plugin(Kind kind, std::string path, const plugtune_plugin_v1& descriptor);

  std::string path_;
  Kind kind_;
  std::string name_, version_, summary_, subject_;
  const plugtune_item_v1* item_;
};

/// Finds and loads a plugin. Throws Error: not found, no plugin, built with something else, does not load, or says
/// something of itself that does not hold.
Plugin load(Kind kind, const std::string& name_or_path, const SearchPath& search);
/// The same for a file whose place is known.
Plugin load_file(Kind kind, const std::string& path);
/// The same; the kind is the one that the file's name states.
Plugin load_file(const std::string& path);

/// A strategy and what else it can do, found once when it was made (null: it cannot).
struct LoadedStrategy {
  Plugin plugin;
  std::unique_ptr<Strategy> strategy;
  PlanObserver* plan_observer = nullptr;
  StepObserver* observer = nullptr;
  AuxiliaryLoss* auxiliary = nullptr;
  ParamGrouping* grouping = nullptr;
  CustomState* state = nullptr;
  FinalForm* final_form = nullptr;
  Reporter* reporter = nullptr;

  const std::string& name() const noexcept { return plugin.name(); }
  const std::string& version() const noexcept { return plugin.version(); }
  const std::string& file() const noexcept { return plugin.path(); }

  /// strategy->apply(model), guarded. An Error of the selector ("strategy.targets: ...") leaves as it is.
  void apply(Model& model) const;
  /// Tells the strategy of the plan if it asks for it, guarded in the same way.
  void begin(const TrainingPlan& plan) const;
  /// How a parameter trains, guarded; the default where the strategy has no groups. Throws Error too where a number of it is
  /// negative or none.
  ParamRule rule(const std::string& name) const;
  /// What the strategy says of its form, guarded; true where it does not say.
  bool has_final_form() const;
  /// What a strategy with a reporter collected, guarded. Throws Error too where a table is not what ReportTable promises.
  std::vector<ReportTable> report_end() const;
};

/// A dataset whose calls are guarded already: `dataset` forwards to the plugin's object.
struct LoadedDataset {
  Plugin plugin;
  std::unique_ptr<Dataset> dataset;

  const std::string& name() const noexcept { return plugin.name(); }
  const std::string& version() const noexcept { return plugin.version(); }
  const std::string& file() const noexcept { return plugin.path(); }
};

}  // namespace plugtune::plugin
