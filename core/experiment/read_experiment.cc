// read_experiment.cc - the host's tables of an experiment file: types, ranges, unknown keys, all problems noted.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "experiment/experiment.h"
#include "experiment/host_keys.h"
#include "experiment/overrides.h"
#include "experiment/toml.h"
#include "plugtune/error.h"

namespace plugtune::experiment {

namespace {

const std::vector<std::string> kTables = {"run", "model", "data", "task", "strategy", "train", "eval"};
constexpr double kEpochs = 4;
constexpr int64_t kShortestText = 3;  // [CLS], one word piece, [SEP]

ConfigNode empty_table() { return {ConfigNode::Table{}}; }

/// One of the host's tables while it is read.
class Reader {
 public:
  Reader(Experiment& experiment, const std::string& name)
      : experiment_(experiment),
        name_(name),
        node_(table(experiment, name)),
        view_(node_, {name, "[" + name + "]", experiment.file, {}}) {}

  const ConfigView* operator->() const { return &view_; }
  const ConfigNode* find(const std::string& key) const { return node_.find(key); }

  /// Greater than 0: a range that ConfigView cannot say.
  double positive(const std::string& key, double fallback) const {
    const double value = view_.number(key, fallback, 0);
    if (value > 0) return value;
    view_.problem(key, "must be more than 0, got 0");
    return fallback;
  }
  /// 0 <= value < 1.
  double below_one(const std::string& key, double fallback) const {
    const double value = view_.number(key, fallback, 0, 1);
    if (value < 1) return value;
    view_.problem(key, "must be less than 1, got 1");
    return fallback;
  }
  train::Every every(const std::string& key) const {
    const ConfigNode* node = node_.find(key);
    if (node != nullptr && std::holds_alternative<int64_t>(node->value)) return {view_.integer(key, 1, 1)};
    const auto* word = node != nullptr ? std::get_if<std::string>(&node->value) : nullptr;
    if (node == nullptr || (word != nullptr && (*word == "epoch" || *word == "never"))) {
      return {view_.string(key, "epoch") == "epoch" ? train::Every::kEpoch : train::Every::kNever};
    }
    view_.has(key);
    view_.problem(key, "must be \"epoch\", \"never\" or a number of steps, got " + write_toml_value(*node));
    return {};
  }

  /// Hands over what was read: the problems, and the table with its defaults.
  void done(bool other_keys_are_known = false) {
    if (!other_keys_are_known) {
      try {
        view_.reject_unknown();
      } catch (const Error&) {
        // They are in view_.problems() now.
      }
    }
    const auto& found = view_.problems();
    experiment_.problems.insert(experiment_.problems.end(), found.begin(), found.end());
    experiment_.host_tables.set(name_, view_.resolved());
  }

 private:
  static ConfigNode table(Experiment& experiment, const std::string& name) {
    const ConfigNode* node = experiment.tables.find(name);
    if (node == nullptr) return empty_table();
    if (std::holds_alternative<ConfigNode::Table>(node->value)) return *node;
    experiment.problem(name, fmt::format("must be a table, [{}], got {}", name, write_toml_value(*node)));
    return empty_table();
  }

  Experiment& experiment_;
  std::string name_;
  ConfigNode node_;
  ConfigView view_;
};

bool is_directory_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && name[0] != '-' &&
         std::none_of(name.begin(), name.end(), [](unsigned char c) { return c == '/' || c < 0x20 || c == 0x7F; });
}

void read_run(Experiment& experiment) {
  Reader table(experiment, "run");
  experiment.run.name = table->string("name", std::filesystem::path(experiment.file).stem().string());
  if (!is_directory_name(experiment.run.name)) {
    table->problem("name", "must be the name of a directory, without '/' and not beginning with '.' or '-', got \"" +
                               experiment.run.name + "\"");
  }
  experiment.run.seed = table->integer("seed", experiment.run.seed, 0);
  if (table->has("from")) experiment.run.from = table->string("from", "");
  experiment.train.threads = static_cast<int>(table->integer("threads", 0, 0, 1024));
  table.done();
}

void read_model(Experiment& experiment) {
  Reader table(experiment, "model");
  experiment.model.path = table->required_string("path");
  experiment.model.random_init = table->choice("init", "pretrained", {"pretrained", "random"}) == "random";
  experiment.model.dropout = table->optional_number("dropout", 0, 1);
  table.done();
}

void read_data(Experiment& experiment) {
  Reader table(experiment, "data");
  DataSettings& data = experiment.data;
  data.plugin = table->required_string("plugin");
  data.max_length = table->integer("max_length", data.max_length, kShortestText, 1'000'000);
  data.train_limit = table->integer("train_limit", data.train_limit, 0);
  data.eval_limit = table->integer("eval_limit", data.eval_limit, 0);
  data.normalize_nfc = table->choice("normalize", "none", {"none", "nfc"}) == "nfc";
  data.special_tokens_in_text = table->boolean("special_tokens_in_text", data.special_tokens_in_text);
  table.done(/*other_keys_are_known=*/true);
}

/// "auto", "yes" or "no", or true and false.
TrainPooler read_yes_or_no(const Reader& table, const std::string& key) {
  const ConfigNode* node = table.find(key);
  if (node != nullptr && std::holds_alternative<bool>(node->value))
    return table->boolean(key, false) ? TrainPooler::kYes : TrainPooler::kNo;
  const std::string choice = table->choice(key, "auto", {"auto", "yes", "no"});
  return choice == "yes" ? TrainPooler::kYes : choice == "no" ? TrainPooler::kNo : TrainPooler::kAuto;
}

void read_task(Experiment& experiment) {
  Reader table(experiment, "task");
  TaskSettings& task = experiment.task;
  task.kind = table->choice("kind", "auto", {"auto", "classification", "multi-label", "regression", "masked-lm"});
  task.train_pooler = read_yes_or_no(table, "train_pooler");
  // Only where they are given: the resolved file of another task does not have them.
  if (table->has("mask_probability")) {
    task.mask_probability = table.below_one("mask_probability", task.mask_probability);
    if (task.mask_probability == 0) table->problem("mask_probability", "must be more than 0, got 0");
  }
  if (table->has("whole_words")) task.whole_words = table->boolean("whole_words", task.whole_words);
  if (table->has("next_sentence")) task.next_sentence = table->boolean("next_sentence", task.next_sentence);
  if (table->has("train_head")) task.train_head = read_yes_or_no(table, "train_head");
  table.done();
}

/// A strategy of a finished run: everything but whether it trains on is that run's.
void read_taken_strategy(const ConfigView& view, StrategySettings& strategy) {
  if (view.has("plugin")) strategy.plugin = view.required_string("plugin");
  strategy.from = view.required_string("from");
  strategy.freeze = view.boolean("freeze", true);
  strategy.table = view.resolved();
  for (const auto& [key, node] : std::get<ConfigNode::Table>(strategy.settings.value)) {
    if (key == "plugin" || key == "from" || key == "freeze") continue;
    view.problem(key,
                 "is a setting of the run that 'from' names and cannot be set anew; keys beside from: plugin, freeze");
  }
}

void read_strategy(Experiment& experiment, const ConfigNode& table, const std::string& subject) {
  StrategySettings strategy{"", table, subject};
  const ConfigView view(table, {subject, "[strategy]", experiment.file, {}});
  if (view.has("from")) {
    read_taken_strategy(view, strategy);
  } else {
    strategy.plugin = view.required_string("plugin");
  }
  experiment.problems.insert(experiment.problems.end(), view.problems().begin(), view.problems().end());
  auto& entries = std::get<ConfigNode::Table>(strategy.settings.value);
  std::erase_if(entries, [](const auto& entry) { return entry.first == "plugin"; });
  experiment.strategies.push_back(std::move(strategy));
}

void read_strategies(Experiment& experiment) {
  experiment.host_tables.set("strategy", empty_table());  // its place in the resolved file
  const ConfigNode* node = experiment.tables.find("strategy");
  if (node == nullptr && !experiment.run.from.empty()) return;  // those of that run
  if (node == nullptr || std::holds_alternative<ConfigNode::Table>(node->value)) {
    return read_strategy(experiment, node != nullptr ? *node : empty_table(), "strategy");
  }
  const auto* list = std::get_if<ConfigNode::Array>(&node->value);
  const auto is_table = [](const ConfigNode& element) {
    return std::holds_alternative<ConfigNode::Table>(element.value);
  };
  if (list == nullptr || list->empty() || !std::all_of(list->begin(), list->end(), is_table)) {
    return experiment.problem(
        "strategy", "must be a table, [strategy], or a list of them, [[strategy]], got " + write_toml_value(*node));
  }
  for (size_t i = 0; i < list->size(); ++i)
    read_strategy(experiment, (*list)[i], list->size() == 1 ? "strategy" : fmt::format("strategy[{}]", i));
}

/// Any libtorch device that this build has; what it is called in the settings.
std::string read_device(const Reader& table) {
  const std::string device = table->string("device", "auto");
  if (device == "auto" || device == "cpu") return "cpu";
  if (device == "cuda" || device.starts_with("cuda:")) {
    table->problem("device",
                   "this plugtune computes on the processor only, it was built without CUDA; expected \"auto\" or "
                   "\"cpu\", got \"" +
                       device + "\"");
  } else {
    table->problem("device", "must be one of auto, cpu, cuda, cuda:<number>, got \"" + device + "\"" +
                                 did_you_mean(device, {"auto", "cpu", "cuda"}));
  }
  return "cpu";
}

/// "4 GB", "900 MB"; "" is no limit.
int64_t read_memory(const Reader& table) {
  const std::string text = table->string("memory", "");
  if (text.empty()) return 0;
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  if (unit.starts_with(' ')) unit.erase(0, 1);
  static const std::map<std::string, double> kUnits = {{"GB", 1e9}, {"MB", 1e6}, {"GiB", 0x1p30}, {"MiB", 0x1p20}};
  const double bytes = kUnits.contains(unit) ? kUnits.at(unit) : 0;
  if (failure == std::errc() && number > 0 && number * bytes > 0 && number * bytes < 1e15)
    return static_cast<int64_t>(number * bytes);
  table->problem("memory", "must be a size such as \"4 GB\" or \"900 MB\", got \"" + text + "\"");
  return 0;
}

void read_length(const Reader& table, train::TrainSettings& train) {
  const bool has_epochs = table->has("epochs"), has_steps = table->has("steps");
  if (has_steps && has_epochs) table->problem("steps", "is given together with epochs; keep one of the two");
  if (has_steps) {
    train.steps = table->integer("steps", 1, 1);
  } else {
    train.epochs = table.positive("epochs", kEpochs);
  }
}

void read_train(Experiment& experiment) {
  Reader table(experiment, "train");
  train::TrainSettings& train = experiment.train;
  read_length(table, train);
  train.batch_size = table->integer("batch_size", train.batch_size, 1, 1'000'000);
  train.micro_batch_tokens = table->integer("micro_batch_tokens", train.micro_batch_tokens, 0);
  train.memory = read_memory(table);
  if (train.memory > 0 && train.micro_batch_tokens > 0)
    table->problem("memory", "is given together with micro_batch_tokens; keep one of the two");
  train.recompute = table->boolean("recompute", train.recompute);
  train.group_by_length = table->boolean("group_by_length", train.group_by_length);
  train.cache_frozen = table->boolean("cache_frozen", train.cache_frozen);
  train.learning_rate = table->number("learning_rate", train.learning_rate, 0);
  const std::string schedule = table->choice("schedule", "linear", {"linear", "cosine", "constant"});
  train.schedule = schedule == "cosine"     ? train::ScheduleKind::kCosine
                   : schedule == "constant" ? train::ScheduleKind::kConstant
                                            : train::ScheduleKind::kLinear;
  train.warmup_ratio = table->number("warmup_ratio", train.warmup_ratio, 0, 1);
  train.warmup_steps = table->integer("warmup_steps", train.warmup_steps, 0);
  train.weight_decay = table->number("weight_decay", train.weight_decay, 0);
  train.beta1 = table.below_one("beta1", train.beta1);
  train.beta2 = table.below_one("beta2", train.beta2);
  train.epsilon = table.positive("epsilon", train.epsilon);
  train.max_grad_norm = table->number("max_grad_norm", train.max_grad_norm, 0);
  train.precision = table->choice("precision", "auto", {"auto", "fp32", "bf16"}) == "bf16" ? train::Precision::kBf16
                                                                                           : train::Precision::kFp32;
  train.device = read_device(table);
  train.log_every = table->integer("log_every", train.log_every, 1);
  train.checkpoint_every = table.every("checkpoint_every");
  train.keep_checkpoints = table->integer("keep_checkpoints", train.keep_checkpoints, 1);
  table.done();
}

void read_eval(Experiment& experiment) {
  Reader table(experiment, "eval");
  train::EvalSettings& eval = experiment.eval;
  eval.every = table.every("every");
  eval.metric = table->string("metric", "auto");
  experiment.eval_choices.split = table->choice("split", "auto", {"auto", "validation", "test"});
  experiment.eval_choices.keep = table->choice("keep", "auto", {"auto", "best", "last"});
  eval.keep_best = experiment.eval_choices.keep == "best";
  eval.patience = table->integer("patience", eval.patience, 0);
  eval.batch_tokens = table->integer("batch_tokens", eval.batch_tokens, 1);
  EvalChoices& choices = experiment.eval_choices;
  if (table->has("test")) choices.test = table->boolean("test", true);
  if (table->has("mistakes")) choices.mistakes = table->integer("mistakes", choices.mistakes, 0, 1000);
  if (eval.every.steps == train::Every::kNever) {
    if (eval.keep_best) table->problem("keep", "\"best\" needs evaluations to choose from, but every = \"never\"");
    if (eval.patience > 0) table->problem("patience", "needs evaluations to wait for, but every = \"never\"");
  }
  table.done();
}

/// "train.epochs" for a value `epochs` in no table; "" when no table of the host's has it.
std::string with_its_table(const Experiment& experiment, const std::string& name, const ConfigNode& node) {
  if (std::holds_alternative<ConfigNode::Table>(node.value)) return "";
  for (const auto& [table, filled_in] : std::get<ConfigNode::Table>(experiment.host_tables.value)) {
    if (filled_in.find(name) != nullptr) return table + "." + name;
  }
  return name == "steps" ? "train.steps" : "";  // filled in are epochs
}

void reject_unknown_tables(Experiment& experiment) {
  for (const auto& [name, node] : std::get<ConfigNode::Table>(experiment.tables.value)) {
    if (std::find(kTables.begin(), kTables.end(), name) != kTables.end()) continue;
    if (const std::string key = with_its_table(experiment, name, node); !key.empty()) {
      experiment.problem(name, fmt::format("belongs into a table; did you mean '{}'?", key));
      continue;
    }
    const bool is_study = name == "study" || name == "method";
    const std::string hint = is_study ? "; this is a study: plugtune sweep;" : did_you_mean(name, kTables);
    experiment.problem(
        name, "unknown table" + (hint.empty() ? "; " : hint + " ") + "tables of an experiment: " + join(kTables));
  }
}

/// `--set train.steps=10` means steps, whatever the file says of epochs, and the other way round.
void let_overrides_decide_the_length(ConfigNode& tables) {
  const ConfigNode* train = tables.find("train");
  const ConfigNode* steps = train != nullptr ? train->find("steps") : nullptr;
  const ConfigNode* epochs = train != nullptr ? train->find("epochs") : nullptr;
  if (steps == nullptr || epochs == nullptr || steps->file.empty() == epochs->file.empty()) return;
  const std::string loser = steps->file.empty() ? "steps" : "epochs";
  ConfigNode kept = *train;
  std::erase_if(std::get<ConfigNode::Table>(kept.value), [&](const auto& entry) { return entry.first == loser; });
  tables.set("train", std::move(kept));
}

}  // namespace

Experiment experiment_of(ConfigNode tables, const std::string& file) {
  Experiment experiment;
  experiment.file = file;
  experiment.host_tables = empty_table();
  experiment.tables = std::move(tables);
  let_overrides_decide_the_length(experiment.tables);
  read_run(experiment);
  read_model(experiment);
  read_data(experiment);
  read_task(experiment);
  read_strategies(experiment);
  read_train(experiment);
  read_eval(experiment);
  reject_unknown_tables(experiment);
  return experiment;
}

Experiment read_experiment(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  ConfigNode tables = read_toml(path);
  std::vector<std::string> problems;
  for (const std::string& text : overrides) {
    try {
      apply_override(tables, text);
    } catch (const Error& error) {
      problems.insert(problems.end(), error.problems().begin(), error.problems().end());
    }
  }
  Experiment experiment = experiment_of(std::move(tables), path.string());
  experiment.problems.insert(experiment.problems.begin(), problems.begin(), problems.end());
  return experiment;
}

}  // namespace plugtune::experiment
