// foreign.cc - runs from foreign directories and foreign directories from runs.
#include "app/foreign.h"

#include <fmt/format.h>

#include <algorithm>

#include "exchange/compose.h"
#include "exchange/convert.h"
#include "experiment/settle.h"
#include "formats/bert_weights.h"
#include "formats/model_directory.h"
#include "plugtune/error.h"
#include "train/delta.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split_labels(const std::string& text) {
  std::vector<std::string> labels;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    labels.push_back(text.substr(begin, end - begin));
    if (labels.back().empty()) throw Error(fmt::format("--labels: a label is empty, got '{}'", text));
    if (std::count(labels.begin(), labels.end(), labels.back()) > 1)
      throw Error(fmt::format("--labels: '{}' is named twice", labels.back()));
    begin = end + 1;
  }
  return labels;
}

/// The kind that --task names. Throws Error where it contradicts what the files say.
TaskKind kind_of(const exchange::ForeignFiles& files, const ImportOptions& options, int64_t outputs) {
  if (options.task.empty()) return files.task.value_or(exchange::task_of_outputs(outputs));
  for (const TaskKind kind : {TaskKind::kClassification, TaskKind::kMultiLabel, TaskKind::kRegression}) {
    if (options.task != experiment::task_name(kind)) continue;
    if (files.task && *files.task != kind) {
      throw Error(
          fmt::format("--task: {} is for {}, its files say", options.directory, experiment::task_name(*files.task)));
    }
    if (kind == TaskKind::kRegression && outputs > 1)
      throw Error(
          fmt::format("--task: a regression has one output, the head in {} has {}", options.directory, outputs));
    return kind;
  }
  throw Error(fmt::format("--task: must be one of classification, multi-label, regression, got '{}'", options.task));
}

/// What the head answers. Without a head the labels must be told.
Task task_of(const exchange::ForeignFiles& files, const ImportOptions& options) {
  Task task;
  const auto at = files.head.find("classifier.weight");
  const int64_t outputs = at == files.head.end() ? 0 : at->second.size(0);
  task.kind = kind_of(files, options, outputs);
  task.pairs = options.pairs;
  if (!options.labels.empty()) {
    task.labels = split_labels(options.labels);
    if (outputs != 0 && static_cast<int64_t>(task.labels.size()) != outputs) {
      throw Error(fmt::format("--labels: must name {} labels, the outputs of the head in {}, got {}", outputs,
                              options.directory, task.labels.size()));
    }
  } else if (outputs == 0) {
    throw Error(fmt::format("{}: has no head, so it says nothing of labels; name them with --labels A,B,...",
                            options.directory));
  } else {
    task.labels = files.labels;
    for (int64_t i = static_cast<int64_t>(task.labels.size()); i < outputs; ++i)
      task.labels.push_back("LABEL_" + std::to_string(i));
  }
  if (task.kind == TaskKind::kRegression) task.labels.clear();
  return task;
}

ConfigNode table(ConfigNode::Table entries) { return {std::move(entries)}; }

/// The experiment of an imported run, all but its strategies.
experiment::Experiment start_experiment(const ImportOptions& options, const exchange::ForeignFiles& files,
                                        const std::string& base, const Task& task) {
  const formats::BertConfig config = formats::read_bert_config(formats::resolve_model(base));
  if (files.hidden_size != 0 && files.hidden_size != config.hidden_size) {
    throw Error(fmt::format("{}: was made for a model of hidden size {}, {} has {}; it belongs to another base",
                            options.directory, files.hidden_size, base, config.hidden_size));
  }
  const bool has_pooler = files.head.contains("pooler.dense.weight");
  ConfigNode tables = table({
      {"run", table({{"name", {options.run}}})},
      {"model", table({{"path", {base}}})},
      {"data",
       table({{"plugin", {std::string(experiment::kNoData)}}, {"max_length", {config.max_position_embeddings}}})},
      {"task", table({{"kind", {std::string(experiment::task_name(task.kind))}},
                      {"train_pooler", {std::string(has_pooler ? "yes" : "no")}}})},
  });
  return experiment::experiment_of(std::move(tables), options.directory);
}

std::string base_of(const ImportOptions& options, const exchange::ForeignFiles& files) {
  if (!options.model.empty()) return options.model;
  if (!files.revision.empty()) {
    throw Error(fmt::format("{}: belongs to revision '{}' of '{}'; name the directory of that base with --model BASE",
                            options.directory, files.revision, files.base));
  }
  if (files.base.empty()) {
    throw Error(
        fmt::format("{}: does not say which base model it belongs to; name it with --model BASE", options.directory));
  }
  if (const formats::FoundDirectory found = formats::find_directory(files.base); found.directory.empty()) {
    throw Error(
        fmt::format("{}: calls its base model '{}', which was not found; name it with --model BASE. Looked in{}",
                    options.directory, files.base, found.looked));
  }
  return files.base;
}

/// With another base than the checkpoint itself, all of the checkpoint's weights are what training changed.
void add_weights_of_checkpoint(exchange::ForeignFiles& files, const ImportOptions& options) {
  if (files.format != "hf" || options.model.empty()) return;
  const formats::BertConfig config = formats::read_bert_config(options.directory),
                            base = formats::read_bert_config(formats::resolve_model(options.model));
  const auto check = [&](const char* key, const auto& own, const auto& other) {
    if (own == other) return;
    throw Error(fmt::format("{}: has {} = {}, {} has {}; it cannot be computed on that base", options.directory, key,
                            own, options.model, other));
  };
  check("hidden_act", config.hidden_act, base.hidden_act);
  check("num_attention_heads", config.num_attention_heads, base.num_attention_heads);
  check("layer_norm_eps", config.layer_norm_eps, base.layer_norm_eps);
  const auto weights = formats::read_bert_weights(options.directory, config).encoder;
  files.adapters.front().tensors.assign(weights.begin(), weights.end());
}

/// Neither library's files have the masked-LM head that is computed here: both use the base's.
void leave_head_out(const Session& session, exchange::ForeignFiles& files) {
  const std::string& run = session.experiment.run.name;
  if (files.adapters.front().tensors.empty()) {
    throw Error(
        fmt::format("{}: trained the masked-LM head alone, for which {} files have no form; --format hf keeps it", run,
                    files.format));
  }
  const auto own = session.model().own_parameters();
  const bool is_trained = std::ranges::any_of(
      own, [](const auto& entry) { return model::is_head_parameter(entry.first) && entry.second.requires_grad(); });
  files.head.clear();
  files.notes.push_back(is_trained
                            ? fmt::format("the masked-LM head, which was trained too, is left out: {} files have no "
                                          "form for it; --format hf keeps it",
                                          files.format)
                            : "the masked-LM head is that of the base and is not in the files");
}

}  // namespace

ExchangeBase exchange_base(const Session& session) {
  const model::Bert& bert = session.model();
  return {bert.info(), [&bert, path = session.experiment.model.path](const std::string& name) {
            for (const auto& [own, parameter] : bert.own_parameters())
              if (own == name) return parameter.detach();
            throw Error(fmt::format("{}: has no parameter '{}'", path, name));
          }};
}

bool is_head_key(const std::string& key, bool trains_pooler) {
  const bool is_pooler = key == "pooler.dense.weight" || key == "pooler.dense.bias";
  return model::is_head_parameter(key) || (is_pooler && trains_pooler);
}

bool is_of_head(const Session& session, const std::string& delta_key) {
  const auto& trained = session.model().trained_base();
  return is_head_key(delta_key, trained.contains("pooler.dense.weight") && trained.contains("pooler.dense.bias") &&
                                    session.experiment.task.train_pooler != experiment::TrainPooler::kNo);
}

ImportedRun import_foreign(const ImportOptions& options, const plugin::SearchPath& search) {
  exchange::ForeignFiles files = exchange::read_foreign(options.directory);
  ImportedRun imported;
  imported.format = files.format;
  Session& session = imported.session;
  session.search = search;
  session.task = task_of(files, options);
  const std::string base = base_of(options, files);
  session.experiment = start_experiment(options, files, base, session.task);
  open_base(session);
  if (session.opened.new_pooler && !files.head.contains("pooler.dense.weight")) {
    throw Error(fmt::format(
        "{}: needs the pooler of its base, and {} has none; the pooler that it was trained with was not saved",
        options.directory, base));
  }
  add_weights_of_checkpoint(files, options);

  const std::vector<exchange::ImportedMethod> methods =
      exchange::import_methods(files, exchange::find_converters(search), exchange_base(session), options.directory);
  formats::NamedTensors delta = files.head;
  std::vector<std::pair<std::string, SourceRun>> sources;
  ConfigNode::Array strategies;
  for (const exchange::ImportedMethod& method : methods) {
    ConfigNode settings = table({{"plugin", {method.plugin.name()}}});
    for (const auto& [key, node] : std::get<ConfigNode::Table>(method.delta.settings.value))
      settings.set(key, node);
    strategies.push_back(std::move(settings));
    for (const auto& [path, run] : method.delta.sources) {
      session.sources.push_back(experiment::describe(path, run));
      sources.emplace_back(path, run);
    }
  }
  ConfigNode tables = session.experiment.tables;
  tables.set("strategy", strategies.size() == 1 ? strategies.front() : ConfigNode{strategies});
  session.experiment = experiment::experiment_of(std::move(tables), options.directory);
  attach_strategies(session, [&](const std::string& path) {
    for (const auto& [name, run] : sources)
      if (name == path) return run;
    throw Error(fmt::format("{}: has no member '{}'", options.directory, path));
  });
  for (size_t i = 0; i < methods.size(); ++i) {
    const auto& own = methods[i].delta.tensors;
    const formats::NamedTensors here = session.methods.composed().here({own.begin(), own.end()}, {i});
    delta.insert(here.begin(), here.end());
  }
  imported.notes = files.notes;
  if (files.head.empty()) {
    for (const auto& [name, parameter] : session.model().own_parameters())
      if (model::is_head_parameter(name)) delta.emplace(name, parameter);
    imported.notes.push_back(
        session.opened.new_head
            ? fmt::format("{} has no head: a new one is made, which has to be trained", options.directory)
            : fmt::format("{} has no head: that of {} answers", options.directory, base));
  } else if (!files.task && options.task.empty() && session.task.kind == TaskKind::kClassification) {
    imported.notes.push_back(fmt::format(
        "{} does not say its task: taken for a classification, else name it with --task", options.directory));
  }
  for (const std::string& note : session.tokenizer->notes())
    imported.notes.push_back(note);
  train::load_delta(session.model(), delta, options.directory);
  session.model().eval();
  ConfigNode data = table({{"plugin", {std::string(experiment::kNoData)}}});
  session.resolved = experiment::resolved(session.experiment, data, session.strategy_settings);
  return imported;
}

namespace {

/// One strategy of the session as if it had been the only one.
MethodDelta delta_of(const Session& session, size_t strategy, const formats::NamedTensors& all) {
  MethodDelta delta;
  delta.settings = session.strategy_settings[strategy];
  for (const auto& [key, tensor] : session.methods.composed().alone(all, {strategy}))
    delta.tensors.emplace_back(key, tensor);
  for (const experiment::DeltaInfo::Source& source : session.strategy_sources[strategy])
    delta.sources.emplace_back(source.path, experiment::placeholder(source));
  return delta;
}

/// Every strategy's part as an adapter. @param names  of the adapters
std::vector<ForeignAdapter> write_adapters(const Session& session, const std::string& format,
                                           const formats::NamedTensors& delta, const std::vector<std::string>& names) {
  const auto& strategies = session.methods.all();
  std::vector<ForeignAdapter> adapters;
  for (size_t i = 0; i < strategies.size(); ++i) {
    const plugin::Plugin& plugin = strategies[i].plugin;
    const std::unique_ptr<Exchange> converter = plugin.create_exchange();
    if (!converter) {
      throw Error(
          fmt::format("{}: strategy '{}' has no form in the files of other libraries; where it can be folded, "
                      "--format hf writes a plain model",
                      session.experiment.run.name, plugin.name()));
    }
    adapters.push_back(plugin::guard_settings(plugin.subject(), "write()", [&] {
      return converter->write(delta_of(session, i, delta), format, names[i], exchange_base(session));
    }));
  }
  return adapters;
}

/// Names of a stack's adapters: the uppermost is called as the run, one that is taken from a run as that run, the others are numbered.
std::vector<std::string> layer_names(const Session& session, const std::vector<size_t>& layers,
                                     const std::string& name) {
  std::vector<std::string> names(layers.back() + 1);
  for (size_t i = 0; i < layers.size(); ++i) {
    const std::string& from = session.experiment.strategies[i].from;
    const auto source = std::ranges::find(session.sources, from, &experiment::DeltaInfo::Source::path);
    if (!from.empty() && source != session.sources.end()) names[layers[i]] = exchange::as_adapter_name(source->name);
  }
  names.back() = name;
  for (size_t layer = 0; layer < names.size(); ++layer) {
    if (names[layer].empty() || std::count(names.begin(), names.end(), names[layer]) > 1)
      names[layer] = layer + 1 == names.size() ? name : fmt::format("{}_{}", name, layer + 1);
  }
  std::vector<std::string> all;
  for (const size_t layer : layers)
    all.push_back(names[layer]);
  return all;
}

/// All strategies as what the library computes together: one adapter, of several methods where it can be, or a stack.
std::vector<ForeignAdapter> compose(const Session& session, const std::string& format,
                                    const formats::NamedTensors& delta, const std::string& name) {
  const std::string& run = session.experiment.run.name;
  std::vector<std::string> names(session.methods.all().size(), name);
  if (names.size() == 1) return write_adapters(session, format, delta, names);
  if (format != "adapterhub") {
    std::vector<std::string> strategies;
    for (const auto& strategy : session.methods.all())
      strategies.push_back(strategy.name());
    throw Error(fmt::format(
        "{}: was tuned with {} strategies ({}), and {} has no compositions of adapters; --format adapterhub "
        "has, and --format hf writes what can be folded as a plain model",
        run, names.size(), join(strategies, " + "), format));
  }
  names = layer_names(session, exchange::choose_layers(write_adapters(session, format, delta, names)), name);
  std::vector<ForeignAdapter> adapters = write_adapters(session, format, delta, names);
  exchange::check_stack(adapters, run);
  exchange::check_names(adapters, run);
  return adapters;
}

/// peft saves what trains whole in `modules_to_save`, and then its methods leave that module alone.
void refuse_tuned_head(const Session& session, const exchange::ForeignFiles& files) {
  if (!files.head.contains("pooler.dense.weight")) return;
  for (const auto& [tensor, value] : files.adapters.front().tensors) {
    if (!tensor.starts_with("pooler.dense.")) continue;
    throw Error(fmt::format(
        "{}: its pooler trains whole, with the head, and is a target of its strategy too; peft saves one of "
        "both: train with task.train_pooler = \"no\" or without that target, or merge",
        session.experiment.run.name));
  }
}

}  // namespace

exchange::ForeignFiles export_foreign(const Session& session, const std::string& format, const std::string& name,
                                      const std::string& base) {
  if (session.experiment.model.random_init) {
    throw Error(
        fmt::format("{}: its base was drawn, not read, and the files would name another one; --format hf writes "
                    "a model of its own",
                    session.experiment.run.name));
  }
  exchange::ForeignFiles files;
  files.format = format;
  files.name = name;
  files.base = base;
  files.hidden_size = session.model().info().hidden_size;
  files.task = session.task.kind;
  files.labels = session.opened.config.labels;
  formats::NamedTensors delta;
  for (const auto& [key, tensor] : train::collect_delta(session.model()))
    (is_of_head(session, key) ? files.head : delta).emplace(key, tensor.detach());
  files.adapters = compose(session, format, delta, name);
  if (format == "peft") refuse_tuned_head(session, files);
  for (const ForeignAdapter& adapter : files.adapters)
    files.notes.insert(files.notes.end(), adapter.notes.begin(), adapter.notes.end());
  if (session.task.kind == TaskKind::kText) leave_head_out(session, files);
  if (format == "peft" && session.task.kind == TaskKind::kMultiLabel)
    files.notes.push_back("peft's files do not say that the task is multi-label: plugtune import --task multi-label");
  if (session.task.pairs)
    files.notes.push_back("the files do not say that texts come in pairs: plugtune import --pairs");
  return files;
}

}  // namespace plugtune::app
