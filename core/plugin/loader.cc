// loader.cc - loads a plugin's library, believes nothing that its descriptor says unchecked, makes its objects.
#include "plugin/loader.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <vector>

#include "formats/wording.h"
#include "plugin/library.h"
#include "plugin/stamp.h"
#include "plugtune/error.h"
#include "plugtune/example_source.h"

namespace plugtune::plugin {
namespace {

bool empty(const char* text) { return text == nullptr || *text == '\0'; }

/// The items one after another in the size that the plugin was compiled with.
const plugtune_item_v1& item_at(const plugtune_plugin_v1& descriptor, uint32_t index) {
  const char* first = reinterpret_cast<const char*>(descriptor.items);
  return *reinterpret_cast<const plugtune_item_v1*>(first + size_t{index} * descriptor.items->size);
}

std::string item_problem(const plugtune_item_v1& item, Kind kind, const std::string& stem, const std::string& file) {
  if (empty(item.name)) return "has an item without a name";
  if (item.name != stem) {
    return fmt::format("has an item named '{}'; its name must be '{}', as the file's ({})", item.name, stem, file);
  }
  const Kind other = kind == Kind::kStrategy ? Kind::kDataset : Kind::kStrategy;
  const bool has_strategy = item.create_strategy != nullptr;
  const bool has_dataset = item.create_dataset != nullptr;
  if (has_strategy && has_dataset) return fmt::format("'{}' must be either a strategy or a dataset, but is both", stem);
  if (!has_strategy && !has_dataset) return fmt::format("'{}' must be a strategy or a dataset, but is neither", stem);
  if (has_strategy != (kind == Kind::kStrategy)) {
    return fmt::format("its name says {} but '{}' is a {}; call it {}", kind_name(kind), stem, kind_name(other),
                       file_name(other, stem));
  }
  return "";
}

void check_descriptor(const plugtune_plugin_v1& descriptor, Kind kind, const std::string& stem,
                      const std::string& path) {
  const std::string file = file_name(kind, stem);
  if (descriptor.size < sizeof(plugtune_plugin_v1)) {
    throw Error(fmt::format("{}: its descriptor must have {} bytes, got {}; use PLUGTUNE_STRATEGY or PLUGTUNE_DATASET",
                            path, sizeof(plugtune_plugin_v1), descriptor.size));
  }
  std::vector<std::string> problems;
  if (empty(descriptor.name)) {
    problems.push_back("has no name");
  } else if (descriptor.name != stem) {
    problems.push_back(
        fmt::format("is named '{}' inside; its name must be '{}', as the file's ({})", descriptor.name, stem, file));
  }
  if (empty(descriptor.version)) problems.push_back("has no version");
  if (descriptor.item_count == 0 || descriptor.items == nullptr) problems.push_back("brings nothing: it has no items");

  std::set<std::string> names;
  for (uint32_t i = 0; descriptor.items != nullptr && i < descriptor.item_count; ++i) {
    if (descriptor.items->size < sizeof(plugtune_item_v1)) {
      problems.push_back(
          fmt::format("its items must have {} bytes, got {}", sizeof(plugtune_item_v1), descriptor.items->size));
      break;
    }
    const plugtune_item_v1& item = item_at(descriptor, i);
    // An item that repeats the plugin's own wrong name has been told of already.
    const bool told =
        !empty(item.name) && !empty(descriptor.name) && item.name != stem && std::string(item.name) == descriptor.name;
    const std::string problem = told ? "" : item_problem(item, kind, stem, file);
    if (!problem.empty()) problems.push_back(problem);
    if (!empty(item.name) && !names.insert(item.name).second) {
      problems.push_back(fmt::format("has two items named '{}'; names must be unique", item.name));
    }
  }
  for (std::string& problem : problems)
    problem = path + ": " + problem;
  if (!problems.empty()) throw Error(problems);
}

/// Forwards every call to a plugin's dataset, guarded.
class GuardedDataset : public Dataset {
 public:
  GuardedDataset(Plugin plugin, std::unique_ptr<Dataset> dataset)
      : plugin_(std::move(plugin)),
        dataset_(std::move(dataset)) {}

  Task task() const override {
    return plugin_.call("task()", [&] { return dataset_->task(); });
  }
  size_t size(Split split) const override {
    return plugin_.call("size()", [&] { return dataset_->size(split); });
  }
  Example at(Split split, size_t index) const override {
    return plugin_.call("at()", [&] { return dataset_->at(split, index); });
  }

 protected:
  const Plugin& plugin() const { return plugin_; }

 private:
  Plugin plugin_;
  std::unique_ptr<Dataset> dataset_;
};

/// The same of one that says where its examples stand.
class GuardedExampleSource final : public GuardedDataset, public ExampleSource {
 public:
  GuardedExampleSource(Plugin plugin, std::unique_ptr<Dataset> dataset, const ExampleSource& source)
      : GuardedDataset(std::move(plugin), std::move(dataset)),
        source_(source) {}

  std::string file_name(Split split) const override {
    return plugin().call("file_name()", [&] { return source_.file_name(split); });
  }
  std::string place(Split split, size_t index) const override {
    return plugin().call("place()", [&] { return source_.place(split, index); });
  }
  size_t left_out(Split split) const override {
    return plugin().call("left_out()", [&] { return source_.left_out(split); });
  }

 private:
  const ExampleSource& source_;  // the data set that GuardedDataset owns
};

template <class Product>
std::unique_ptr<Product> create(const std::string& subject, const char* call, Product* (*function)(const ConfigView&),
                                const ConfigView& settings) {
  TORCH_INTERNAL_ASSERT(function != nullptr, subject, " is of the other kind");
  std::unique_ptr<Product> product(guard_settings(subject, call, [&] { return function(settings); }));
  if (!product) throw Error("in " + subject + ", " + call + ": returned nothing");
  return product;
}

}  // namespace

Plugin::Plugin(Kind kind, std::string path, const plugtune_plugin_v1& descriptor)
    : path_(std::move(path)),
      kind_(kind),
      name_(descriptor.name),
      version_(descriptor.version),
      summary_(empty(descriptor.items->summary) ? "" : descriptor.items->summary),
      subject_(fmt::format("{} '{}' {} ({})", kind_name(kind), name_, version_, path_)),
      item_(descriptor.items) {}

Plugin load_file(Kind kind, const std::string& path) {
  const auto [stated, stem] = kind_and_name(path);
  if (stated != kind) {
    throw Error(fmt::format("{}: must be a {} (<name>.{}.so), but its name says {}", path, kind_name(kind),
                            kind_name(kind), kind_name(stated)));
  }
  check_stamp(path);
  const boost::dll::shared_library& library = open_library(path);
  if (!library.has("plugtune_plugin")) {
    throw Error(path +
                ": has no symbol 'plugtune_plugin'; put PLUGTUNE_STRATEGY(...) or PLUGTUNE_DATASET(...) at the end of "
                "its source");
  }
  const auto& descriptor = library.get<const plugtune_plugin_v1>("plugtune_plugin");
  check_descriptor(descriptor, kind, stem, path);
  return Plugin(kind, path, descriptor);
}

Plugin load_file(const std::string& path) { return load_file(kind_and_name(path).first, path); }

Plugin load(Kind kind, const std::string& name_or_path, const SearchPath& search) {
  return load_file(kind, resolve(kind, name_or_path, search));
}

LoadedStrategy Plugin::create_strategy_unchecked(const ConfigView& settings) const {
  LoadedStrategy loaded{*this, create<Strategy>(subject_, "constructor", item_->create_strategy, settings)};
  Strategy* strategy = loaded.strategy.get();
  loaded.plan_observer = dynamic_cast<PlanObserver*>(strategy);
  loaded.observer = dynamic_cast<StepObserver*>(strategy);
  loaded.auxiliary = dynamic_cast<AuxiliaryLoss*>(strategy);
  loaded.grouping = dynamic_cast<ParamGrouping*>(strategy);
  loaded.state = dynamic_cast<CustomState*>(strategy);
  loaded.final_form = dynamic_cast<FinalForm*>(strategy);
  loaded.reporter = dynamic_cast<Reporter*>(strategy);
  return loaded;
}

LoadedDataset Plugin::create_dataset_unchecked(const ConfigView& settings) const {
  auto dataset = create<Dataset>(subject_, "constructor", item_->create_dataset, settings);
  if (const auto* source = dynamic_cast<const ExampleSource*>(dataset.get())) {
    return {*this, std::make_unique<GuardedExampleSource>(*this, std::move(dataset), *source)};
  }
  return {*this, std::make_unique<GuardedDataset>(*this, std::move(dataset))};
}

LoadedStrategy Plugin::create_strategy(const ConfigView& settings) const {
  LoadedStrategy loaded = create_strategy_unchecked(settings);
  settings.reject_unknown();
  return loaded;
}

LoadedDataset Plugin::create_dataset(const ConfigView& settings) const {
  LoadedDataset loaded = create_dataset_unchecked(settings);
  settings.reject_unknown();
  return loaded;
}

std::unique_ptr<Exchange> Plugin::create_exchange() const {
  if (item_->create_exchange == nullptr) return nullptr;
  return std::unique_ptr<Exchange>(call("constructor of its Exchange", [&] { return item_->create_exchange(); }));
}

void LoadedStrategy::apply(Model& model) const {
  guard_settings(plugin.subject(), "apply()", [&] { strategy->apply(model); });
}

void LoadedStrategy::begin(const TrainingPlan& plan) const {
  if (plan_observer == nullptr) return;
  guard_settings(plugin.subject(), "on_train_begin()", [&] { plan_observer->on_train_begin(plan); });
}

ParamRule LoadedStrategy::rule(const std::string& name) const {
  if (grouping == nullptr) return {};
  const ParamRule own = plugin.call("rule()", [&] { return grouping->rule(name); });
  const auto check = [&](const char* field, double value) {
    if (std::isfinite(value) && value >= 0) return;
    throw Error(fmt::format("in {}, rule() of '{}': {} must be a finite number from 0 on, got {:g}", plugin.subject(),
                            name, field, value));
  };
  check("learning_rate_scale", own.learning_rate_scale);
  check("weight_decay", own.weight_decay.value_or(0));
  return own;
}

bool LoadedStrategy::has_final_form() const {
  return final_form == nullptr || plugin.call("has_final_form()", [&] { return final_form->has_final_form(); });
}

std::vector<ReportTable> LoadedStrategy::report_end() const {
  const std::vector<ReportTable> tables = plugin.call("report_end()", [&] { return reporter->report_end(); });
  for (const ReportTable& table : tables) {
    const std::vector<int64_t> promised = {std::ssize(table.rows), std::ssize(table.columns)};
    if (table.values.defined() && table.values.sizes() == promised) continue;
    throw Error(
        fmt::format("in {}, report_end(): the values of table '{}' must have shape {}, as its rows and columns, got {}",
                    plugin.subject(), table.title, formats::shape_text(promised),
                    table.values.defined() ? formats::shape_text(table.values.sizes()) : "none"));
  }
  return tables;
}

}  // namespace plugtune::plugin
