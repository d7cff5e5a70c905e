// session.cc - opening an experiment or a finished run.
#include "app/session.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "app/data_check.h"
#include "app/gather.h"
#include "app/taken_runs.h"
#include "experiment/overrides.h"
#include "experiment/run_directory.h"
#include "experiment/settle.h"
#include "experiment/toml.h"
#include "formats/model_directory.h"
#include "formats/safetensors.h"
#include "plugtune/error.h"
#include "train/delta.h"
#include "train/metrics.h"
#include "train/trainer.h"

namespace plugtune::app {
namespace {

using experiment::DeltaInfo;
using experiment::Experiment;

void start_threads(Experiment& experiment) {
  if (experiment.train.threads > 0) at::set_num_threads(experiment.train.threads);
  experiment.train.threads = at::get_num_threads();
}

/// Makes the strategies; `open_source` opens the runs that they start from.
std::vector<plugin::LoadedStrategy> create_strategies(Session& session, const experiment::OpenRun& open_source) {
  std::vector<plugin::LoadedStrategy> strategies;
  for (size_t i = 0; i < session.experiment.strategies.size(); ++i) {
    if (session.experiment.strategies[i].plugin.empty()) continue;  // told already
    gather(session.experiment, [&] {
      const auto plugin =
          plugin::load(plugin::Kind::kStrategy, session.experiment.strategies[i].plugin, session.search);
      check_is_taken(session, i, plugin.name());
      const auto sources = std::make_shared<std::vector<DeltaInfo::Source>>();  // a strategy may keep its view
      const auto open = [sources, open = open_source_of(session, i, open_source)](const std::string& run) {
        SourceRun source = open(run);
        sources->push_back(experiment::describe(run, source));
        return source;
      };
      const ConfigView view = experiment::strategy_view(session.experiment, i, open);
      strategies.push_back(plugin.create_strategy(view));
      session.strategy_sources.push_back(*sources);
      session.strategy_settings.push_back(view.resolved());
    });
  }
  return strategies;
}

/// A classifier always trains. A masked-LM head that the checkpoint has is as good as its encoder: it trains when that does, whole,
/// or when nothing else does.
bool head_trains(const Session& session) {
  if (session.task.kind != TaskKind::kText) return true;
  const experiment::TrainHead choice = session.experiment.task.train_head;
  if (choice != experiment::TrainHead::kAuto) return choice == experiment::TrainHead::kYes;
  const auto& trained = session.model().trained_base();
  const auto own = session.model().own_parameters();
  const bool base_trains = std::ranges::any_of(
      own, [&](const auto& entry) { return entry.second.dim() > 1 && trained.contains(entry.first); });
  return session.opened.new_head || base_trains || train::trainable_parameters(session.model()).empty();
}

void apply_strategies(Session& session, std::vector<plugin::LoadedStrategy> strategies) {
  std::vector<bool> frozen;
  for (const experiment::StrategySettings& strategy : session.experiment.strategies)
    frozen.push_back(!strategy.from.empty() && strategy.freeze);
  session.methods = train::Methods(std::move(strategies), std::move(frozen));
  session.methods.apply(session.model());
  if (head_trains(session)) {
    for (const auto& [name, parameter] : session.model().own_parameters())
      if (model::is_head_parameter(name)) parameter.set_requires_grad(true);
  }
  const auto choice = session.experiment.task.train_pooler;
  const bool pooler = choice == experiment::TrainPooler::kYes ||
                      (choice == experiment::TrainPooler::kAuto && session.opened.new_pooler);
  if (pooler) {
    session.model().train_base("pooler.dense.weight");
    session.model().train_base("pooler.dense.bias");
  }
}

/// A run that goes on from another needs no source again: its values are in that run's delta. nullptr: it is none of its sources.
const DeltaInfo::Source* source_of(const DeltaInfo* start, const std::string& path) {
  if (start == nullptr) return nullptr;
  const auto at = std::ranges::find(start->sources, path, &DeltaInfo::Source::path);
  return at == start->sources.end() ? nullptr : &*at;
}

SourceRun open_and_remember(Session& session, const std::string& path, const DeltaInfo* start) {
  if (const DeltaInfo::Source* source = source_of(start, path)) {
    remember_source(session, *source);
    return experiment::placeholder(*source);
  }
  SourceRun run = experiment::open_source_run(path, session.opened.fingerprint);
  remember_source(session, experiment::describe(path, run));
  return run;
}

/// "table (reviews.csv)"; without a path, which a plugin need not have, its name alone.
std::string data_source(const Experiment& experiment) {
  const ConfigNode* path = experiment::find_key(experiment.tables, "data.path");
  const auto* text = path != nullptr ? std::get_if<std::string>(&path->value) : nullptr;
  return text == nullptr ? experiment.data.plugin : fmt::format("{} ({})", experiment.data.plugin, *text);
}

/// "labels negative, positive", "scores"
std::string labels_text(const Task& task) {
  if (task.kind == TaskKind::kRegression) return "scores";
  return task.labels.empty() ? "no labels" : "labels " + join(task.labels);
}

/// Which text of a pair a token is of, the model has to be able to tell.
void check_token_types(const Session& session) {
  if (!session.task.pairs && !session.experiment.task.next_sentence) return;
  if (const int64_t types = session.model().options().token_types; types < 2) {
    throw Error(fmt::format("{}: has {} token type (type_vocab_size), pairs of texts need 2",
                            session.experiment.model.path, types));
  }
}

}  // namespace

void open_base(Session& session) {
  const Experiment& experiment = session.experiment;
  torch::manual_seed(static_cast<uint64_t>(experiment.run.seed));
  session.opened = model::open_model(experiment.model.path, experiment.model.random_init, session.task,
                                     experiment.task.next_sentence, experiment.model.dropout);
  open_tokenizer(session);
}

void open_tokenizer(Session& session) {
  const Experiment& experiment = session.experiment;
  session.tokenizer.emplace(text::Tokenizer::load(
      session.opened.directory, {experiment.data.special_tokens_in_text, experiment.data.normalize_nfc}));
  const ModelInfo& info = session.model().info();
  if (session.tokenizer->size() > info.vocabulary_size) {
    throw Error(fmt::format(
        "{}: its tokenizer has {} words, the model's word embedding {} rows; they belong to different models",
        experiment.model.path, session.tokenizer->size(), info.vocabulary_size));
  }
  check_token_types(session);
  check_max_length(experiment, info.max_positions);
}

void check_max_length(const Experiment& experiment, int64_t positions) {
  if (experiment.data.max_length <= positions) return;
  throw Error(fmt::format("data.max_length: must be at most {} (the positions of {}), got {}", positions,
                          experiment.model.path, experiment.data.max_length));
}

void attach_strategies(Session& session, const experiment::OpenRun& open_source, const TakeRun& take) {
  const std::vector<TakenStrategies> taken = expand_strategies(session, take);
  std::vector<plugin::LoadedStrategy> strategies = create_strategies(session, open_source);
  session.experiment.throw_if_problems();
  apply_strategies(session, std::move(strategies));
  load_taken(session, taken);
}

DeltaInfo Session::delta_info() const {
  DeltaInfo info;
  info.run = experiment.run.name;
  for (size_t i = 0; i < methods.all().size(); ++i) {
    info.strategies.push_back({methods.all()[i].name(), methods.all()[i].version(), strategy_settings[i]});
  }
  info.base_path = experiment.model.path;
  info.base_fingerprint = opened.fingerprint;
  info.base_random = experiment.model.random_init;
  info.seed = experiment.run.seed;
  info.task = task.kind;
  info.labels = task.labels;
  info.pairs = task.pairs;
  info.head_pooler = model().trained_base().contains("pooler.dense.weight");
  info.sources = sources;
  return info;
}

void check_base_of_start(const Session& session, const std::string& subject, const std::string& run,
                         const DeltaInfo& info) {
  if (session.opened.fingerprint == info.base_fingerprint) return;
  throw Error(fmt::format(
      "{}{} was trained on another base: its delta belongs to fingerprint {:.12} ({}), {} has {:.12}", subject, run,
      info.base_fingerprint, info.base_path, session.experiment.model.path, session.opened.fingerprint));
}

/// What training starts from: the delta of the run that run.from names. Its strategies where the experiment names none.
DeltaInfo open_start(Session& session) {
  Experiment& file = session.experiment;
  const DeltaInfo info = experiment::read_delta_info(experiment::finished_run(file.run.from).delta_info());
  if (session.task.kind != info.task) {
    throw Error(fmt::format("run.from: {} was trained for {}, this task is {}", file.run.from,
                            experiment::task_name(info.task), experiment::task_name(session.task.kind)));
  }
  if (session.task.labels != info.labels) {
    throw Error(fmt::format("run.from: {} was trained with labels {}, the data set has {}", file.run.from,
                            join(info.labels), join(session.task.labels)));
  }
  check_base_of_start(session, "run.from: ", file.run.from, info);
  if (info.head_pooler && file.task.train_pooler == experiment::TrainPooler::kAuto)
    file.task.train_pooler = experiment::TrainPooler::kYes;
  if (file.strategies.empty()) {
    // As that run has them: what it took frozen from another run stays frozen.
    file.strategies = experiment::read_experiment(experiment::RunPaths(file.run.from).experiment()).strategies;
  }
  return info;
}

void load_start(Session& session) {
  const std::filesystem::path file = experiment::RunPaths(session.experiment.run.from).delta_tensors();
  train::load_delta(session.model(), formats::SafetensorsFile::open(file).tensors(), file.string());
}

Session open_experiment(Experiment experiment, const plugin::SearchPath& search) {
  Session session;
  session.search = search;
  session.experiment = std::move(experiment);
  Experiment& file = session.experiment;
  start_threads(file);

  ConfigNode data_settings{ConfigNode::Table{}};
  if (!file.data.plugin.empty())
    gather(file, [&] {
      const auto plugin = plugin::load(plugin::Kind::kDataset, file.data.plugin, search);
      const ConfigView view = experiment::dataset_view(file);
      session.dataset.emplace(plugin.create_dataset(view));
      data_settings = view.resolved();
      session.task = experiment::settle_task(file, session.dataset->dataset->task());
      experiment::settle_evaluation(file, session.task, split_sizes(*session.dataset->dataset, file.data.train_limit),
                                    train::metric_names(session.task.kind, file.task.next_sentence));
    });
  if (session.dataset) gather(file, [&] { open_base(session); });
  std::optional<DeltaInfo> start;
  if (session.opened.bert && !file.run.from.empty()) gather(file, [&] { start = open_start(session); });
  const DeltaInfo* goes_on = start ? &*start : nullptr;
  attach_strategies(
      session, [&](const std::string& run) { return open_and_remember(session, run, goes_on); },
      [&](const std::string& run) {
        const DeltaInfo::Source* source = source_of(goes_on, run);
        return source != nullptr ? TakenRun{*source} : take_finished_run(session, run);
      });
  if (start) load_start(session);
  session.resolved = experiment::resolved(file, data_settings, session.strategy_settings);
  return session;
}

namespace {

/// A data set that collects its labels from its rows is given the run's: other rows may not have all of them.
void keep_labels(ConfigNode& tables, const std::vector<std::string>& labels) {
  const ConfigNode* data = tables.find("data");
  const ConfigNode* own = data != nullptr ? data->find("labels") : nullptr;
  const auto* array = own != nullptr ? std::get_if<ConfigNode::Array>(&own->value) : nullptr;
  if (array == nullptr || !array->empty() || labels.empty()) return;
  ConfigNode::Array names;
  for (const std::string& label : labels)
    names.push_back({label, own->line, own->file});
  ConfigNode table = *data;
  table.set("labels", {std::move(names), own->line, own->file});
  tables.set("data", std::move(table));
}

}  // namespace

DeltaInfo read_run(Session& session, const std::string& run, const RunChoice& choice) {
  const experiment::RunPaths paths = experiment::finished_run(run);
  const std::string file = paths.experiment().string();
  ConfigNode tables = experiment::read_toml(file);
  choose_data(tables, file, choice.data);
  DeltaInfo info = experiment::read_delta_info(paths.delta_info());
  keep_labels(tables, info.labels);
  session.experiment = experiment::experiment_of(std::move(tables), file);
  if (!choice.model.empty()) session.experiment.model.path = choice.model;
  session.experiment.throw_if_problems();
  start_threads(session.experiment);
  session.task.kind = info.task;
  session.task.labels = info.labels;
  session.task.pairs = info.pairs;
  session.sources = info.sources;
  return info;
}

void open_base_of(Session& session, const std::string& run, const DeltaInfo& info) {
  const std::string& base = session.experiment.model.path;
  if (const auto found = formats::find_directory(base); found.directory.empty()) {
    throw Error(fmt::format("{}: its base model '{}' was not found; name it with --model BASE. Looked in{}", run, base,
                            found.looked));
  }
  open_base(session);
  if (session.opened.fingerprint != info.base_fingerprint) {
    throw Error(fmt::format(
        "{}: was trained on another base: {} has fingerprint {:.12}, the delta names {:.12}; a delta belongs to "
        "exactly the weights that it was trained on",
        run, session.experiment.model.path, session.opened.fingerprint, info.base_fingerprint));
  }
  for (const std::string& note : session.tokenizer->notes())
    std::cerr << "note  " << note << "\n";
}

namespace {

/// The strategies of the experiment have to be those that made the delta. Another version of one may compute something else.
void check_strategies(const Session& session, const DeltaInfo& info) {
  std::vector<std::string> made, here;
  for (const auto& strategy : info.strategies)
    made.push_back(strategy.name);
  for (const plugin::LoadedStrategy& strategy : session.methods.all())
    here.push_back(strategy.name());
  if (made != here) {
    throw Error(fmt::format(
        "{}: experiment.toml has the strategies {}, delta.json was made by {}; they belong to different runs", info.run,
        join(here, " + "), join(made, " + ")));
  }
  for (size_t i = 0; i < here.size(); ++i) {
    const std::string& version = session.methods.all()[i].version();
    if (info.strategies[i].version == version) continue;
    std::cerr << fmt::format("note  {}: was trained with {} {}, this is {} {}\n", info.run, here[i],
                             info.strategies[i].version, here[i], version);
  }
}

}  // namespace

void attach_strategies(Session& session, const DeltaInfo& info) {
  const auto known = [&](const std::string& path) -> const DeltaInfo::Source& {
    const DeltaInfo::Source* source = source_of(&info, path);
    if (source == nullptr) throw Error(fmt::format("{}: delta.json does not know the source run {}", info.run, path));
    return *source;
  };
  attach_strategies(
      session, [&](const std::string& path) { return experiment::placeholder(known(path)); },
      [&](const std::string& path) { return TakenRun{known(path)}; });
  check_strategies(session, info);
}

void load_values(Session& session, const std::string& run) {
  const std::filesystem::path file = experiment::finished_run(run).delta_tensors();
  train::load_delta(session.model(), formats::SafetensorsFile::open(file).tensors(), file.string());
  session.model().eval();
}

Session open_run(const std::string& run, const plugin::SearchPath& search, const std::string& model) {
  Session session;
  session.search = search;
  const DeltaInfo info = read_run(session, run, {model});
  open_base_of(session, run, info);
  attach_strategies(session, info);
  load_values(session, run);
  return session;
}

void open_texts(Session& session) {
  const Experiment& file = session.experiment;
  const std::string& name = file.data.plugin;
  if (name == experiment::kNoData) {
    throw Error(fmt::format("{}: was imported and has no data set of its own; name one with --data PLUGIN:PATH",
                            file.run.name));
  }
  const auto plugin = plugin::load(plugin::Kind::kDataset, name, session.search);
  session.dataset.emplace(plugin.create_dataset(experiment::dataset_view(file)));
  const bool has_pairs = session.dataset->dataset->task().pairs;
  if (session.task.kind == TaskKind::kText) {  // reads the texts of any
    session.task.pairs = has_pairs;
    check_token_types(session);
  } else if (session.task.pairs && !has_pairs) {
    throw Error(fmt::format("{}: has single texts, the run was trained on pairs", session.dataset->plugin.subject()));
  }
}

void open_data(Session& session) {
  open_texts(session);
  const Task task = session.dataset->dataset->task();
  if (session.task.kind == TaskKind::kText) return;
  if (task.kind != session.task.kind || task.labels != session.task.labels) {
    throw Error(fmt::format("{}: has {}, the run was trained with {}", session.dataset->plugin.subject(),
                            labels_text(task), labels_text(session.task)));
  }
}

data::EncodeOptions encode_options(const Session& session) {
  data::EncodeOptions options;
  options.max_length = session.experiment.data.max_length;
  options.threads = session.experiment.train.threads;
  options.source = data_source(session.experiment);
  if (session.task.kind == TaskKind::kText) {
    const auto& task = session.experiment.task;
    options.masking = std::make_shared<data::Masking>(
        *session.tokenizer, data::MaskingOptions{task.mask_probability, task.whole_words,
                                                 static_cast<uint64_t>(session.experiment.run.seed)});
    options.next_sentence = task.next_sentence;
    options.seed = static_cast<uint64_t>(session.experiment.run.seed);
  }
  return options;
}

data::EncodedSplit encode_split(const Session& session, Split split) {
  const auto& settings = session.experiment.data;
  data::EncodeOptions options = encode_options(session);
  options.limit = split == Split::kTrain ? settings.train_limit : settings.eval_limit;
  return data::encode(*session.dataset->dataset, split, *session.tokenizer, options);
}

}  // namespace plugtune::app
