// combining.cc - several finished runs of one method as one.
#include "app/combining.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "app/foreign.h"
#include "experiment/config_json.h"
#include "experiment/run_directory.h"
#include "experiment/settle.h"
#include "formats/safetensors.h"
#include "plugtune/error.h"
#include "train/delta.h"

namespace plugtune::app {
namespace {

using experiment::DeltaInfo;
using experiment::Experiment;

/// A finished run as values.
struct Member {
  std::string path;
  Experiment experiment;
  DeltaInfo info;
  formats::NamedTensors head;
  MethodDelta delta;
  const std::string& strategy() const { return info.strategies.front().name; }
};

Member open_member(const std::string& path) {
  const experiment::RunPaths paths = experiment::finished_run(path);
  Member member{path, experiment::read_experiment(paths.experiment()), {}, {}, {}};
  member.experiment.throw_if_problems();
  member.info = experiment::read_delta_info(paths.delta_info());
  std::vector<std::string> strategies;
  for (const auto& method : member.info.strategies)
    strategies.push_back(method.name);
  if (strategies.size() != 1) {
    throw Error(fmt::format("combine: {} was tuned with {} strategies ({}); runs of one strategy can be combined", path,
                            strategies.size(), join(strategies, " + ")));
  }
  member.delta.settings = member.info.strategies.front().settings;
  // A strategy that is taken from a run started from what that run remembers.
  const std::string& from = member.experiment.strategies.front().from;
  const auto taken = std::ranges::find(member.info.sources, from, &DeltaInfo::Source::path);
  for (const DeltaInfo::Source& source : taken == member.info.sources.end() ? member.info.sources : taken->sources)
    member.delta.sources.emplace_back(source.path, experiment::placeholder(source));
  const formats::NamedTensors tensors = formats::SafetensorsFile::open(paths.delta_tensors()).tensors();
  const bool trains_pooler = tensors.contains("pooler.dense.weight") && tensors.contains("pooler.dense.bias") &&
                             member.experiment.task.train_pooler != experiment::TrainPooler::kNo;
  for (const auto& [key, tensor] : tensors) {
    if (is_head_key(key, trains_pooler)) {
      member.head.emplace(key, tensor);
    } else {
      member.delta.tensors.emplace_back(key, tensor);
    }
  }
  return member;
}

void check_same_method_and_base(const std::vector<Member>& members) {
  const Member& first = members.front();
  for (const Member& member : members) {
    if (member.info.base_fingerprint != first.info.base_fingerprint) {
      throw Error(
          fmt::format("combine: the runs must have one base; {} belongs to fingerprint {:.12} ({}), {} to {:.12} ({})",
                      first.path, first.info.base_fingerprint, first.info.base_path, member.path,
                      member.info.base_fingerprint, member.info.base_path));
    }
    if (member.strategy() != first.strategy()) {
      throw Error(fmt::format("combine: the runs must have one strategy; {} was tuned with '{}', {} with '{}'",
                              first.path, first.strategy(), member.path, member.strategy()));
    }
  }
}

std::string labels_text(const Member& member) {
  return member.info.labels.empty() ? experiment::task_name(member.info.task) : "labels " + join(member.info.labels);
}

/// Heads that are averaged must answer the same question in the same way.
void check_same_heads(const std::vector<Member>& members, const std::vector<double>& weights) {
  const std::string hint = "name the run whose head is kept with --head RUN";
  const Member& first = members.front();
  for (size_t i = 0; i < members.size(); ++i) {
    const Member& member = members[i];
    if (member.info.task != first.info.task || member.info.labels != first.info.labels) {
      throw Error(fmt::format("combine: {} has {}, {} has {}, so their heads cannot be averaged; {}", first.path,
                              labels_text(first), member.path, labels_text(member), hint));
    }
    if (member.head.size() != first.head.size()) {
      const bool is_first = first.head.size() > member.head.size();
      throw Error(fmt::format("combine: {} trained the pooler and {} did not, so their heads cannot be averaged; {}",
                              (is_first ? first : member).path, (is_first ? member : first).path, hint));
    }
    if (weights[i] < 0) {
      throw Error(fmt::format("combine: heads are averaged with the weights of the runs, and that of {} is {}; {}",
                              member.path, weights[i], hint));
    }
  }
  if (std::accumulate(weights.begin(), weights.end(), 0.0) == 0)
    throw Error("combine: heads are averaged with the weights of the runs, and all are 0; " + hint);
}

/// The weights' sum does not matter: logits of an average stay as large as those of the runs.
formats::NamedTensors average_head(const std::vector<Member>& members, const std::vector<double>& weights) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  formats::NamedTensors average;
  for (const auto& [key, first] : members.front().head) {
    Tensor mean = torch::zeros(first.sizes(), torch::kFloat64);
    for (size_t i = 0; i < members.size(); ++i)
      mean += members[i].head.at(key).to(torch::kFloat64) * (weights[i] / sum);
    average.emplace(key, mean.to(first.scalar_type()));
  }
  return average;
}

/// The run that the result takes its task from; by default the first.
const Member& head_run(const std::vector<Member>& members, const CombineRequest& request) {
  if (request.head == kAverageHead) return members.front();
  const auto at = std::ranges::find(members, request.head, &Member::path);
  if (at == members.end()) {
    throw Error(fmt::format("combine: --head must be {} or one of the runs ({}), got '{}'", kAverageHead,
                            join(request.runs), request.head));
  }
  return *at;
}

void check_options(CombineOptions& options, size_t runs) {
  if (runs < 2) throw Error(fmt::format("combine: needs two runs or more, got {}", runs));
  if (options.weights.empty()) options.weights.assign(runs, 1.0 / static_cast<double>(runs));
  if (options.weights.size() != runs) {
    throw Error(
        fmt::format("combine: --weights must be {} numbers, one for each run, got {}", runs, options.weights.size()));
  }
}

ConfigNode table_of(const Experiment& experiment, const std::string& name) {
  const ConfigNode* table = experiment.tables.find(name);
  return table == nullptr ? ConfigNode{ConfigNode::Table{}} : *table;
}

/// The data of all runs where it is the same, else none: then `plugtune eval` is told with --data.
ConfigNode data_of(const std::vector<Member>& members, const Member& head) {
  const ConfigNode own = table_of(head.experiment, "data");
  const auto is_same = [&](const Member& member) {
    return experiment::to_json(table_of(member.experiment, "data")) == experiment::to_json(own);
  };
  if (std::ranges::all_of(members, is_same)) return own;
  ConfigNode none{ConfigNode::Table{{"plugin", {std::string(experiment::kNoData)}}}};
  for (const char* key : {"max_length", "normalize", "special_tokens_in_text"})
    if (const ConfigNode* node = own.find(key)) none.set(key, *node);
  return none;
}

ConfigNode tables_of(const CombineRequest& request, const Member& head, const ConfigNode& data) {
  ConfigNode tables{ConfigNode::Table{}};
  tables.set("run", {ConfigNode::Table{{"name", {request.name}}, {"seed", {head.info.seed}}}});
  ConfigNode model = table_of(head.experiment, "model");
  if (!request.model.empty()) model.set("path", {request.model});
  tables.set("model", std::move(model));
  tables.set("data", data);
  if (head.info.task == TaskKind::kText) {
    tables.set("task", table_of(head.experiment, "task"));
    return tables;
  }
  const bool has_pooler = head.head.contains("pooler.dense.weight");
  tables.set("task", {ConfigNode::Table{{"kind", {std::string(experiment::task_name(head.info.task))}},
                                        {"train_pooler", {std::string(has_pooler ? "yes" : "no")}}}});
  return tables;
}

CombinedDelta combined_delta(const std::vector<Member>& members, CombineOptions& options, const plugin::Plugin& plugin,
                             const Session& session) {
  const std::unique_ptr<Exchange> exchange = plugin.create_exchange();
  const auto* combiner = dynamic_cast<const Combiner*>(exchange.get());
  if (combiner == nullptr) throw Error(fmt::format("combine: runs of strategy '{}' cannot be combined", plugin.name()));
  std::vector<MethodDelta> deltas;
  for (const Member& member : members)
    deltas.push_back(member.delta);
  return plugin::guard_settings(plugin.subject(), "combine()", [&] {
    if (options.method.empty()) options.method = combiner->methods().front();
    return combiner->combine(deltas, options, exchange_base(session));
  });
}

void attach(Session& session, const std::string& plugin, const CombinedDelta& combined) {
  ConfigNode settings{ConfigNode::Table{{"plugin", {plugin}}}};
  for (const auto& [key, node] : std::get<ConfigNode::Table>(combined.delta.settings.value))
    settings.set(key, node);
  ConfigNode tables = session.experiment.tables;
  tables.set("strategy", settings);
  session.experiment = experiment::experiment_of(std::move(tables), "combine");
  for (const auto& [path, run] : combined.delta.sources)
    session.sources.push_back(experiment::describe(path, run));
  attach_strategies(session, [&](const std::string& path) {
    for (const auto& [name, run] : combined.delta.sources)
      if (name == path) return run;
    throw Error(fmt::format("combine: the runs do not know the source run {}", path));
  });
}

}  // namespace

CombinedRun combine_runs(const CombineRequest& request, const plugin::SearchPath& search) {
  CombinedRun combined;
  CombineOptions& options = combined.options = request.options;
  check_options(options, request.runs.size());
  options.names = request.runs;
  std::vector<Member> members;
  for (const std::string& run : request.runs)
    members.push_back(open_member(run));
  check_same_method_and_base(members);
  const Member& head = head_run(members, request);
  const bool averages = request.head == kAverageHead;
  if (averages) check_same_heads(members, options.weights);

  Session& session = combined.session;
  session.search = search;
  session.task.kind = head.info.task;
  session.task.labels = head.info.labels;
  session.task.pairs = head.info.pairs;
  const ConfigNode data = data_of(members, head);
  session.experiment = experiment::experiment_of(tables_of(request, head, data), "combine");
  open_base_of(session, head.path, head.info);
  const std::string& plugin_of_file = head.experiment.strategies.front().plugin;
  const std::string name = plugin_of_file.empty() ? head.strategy() : plugin_of_file;
  const auto plugin = plugin::load(plugin::Kind::kStrategy, name, search);
  CombinedDelta values = combined_delta(members, options, plugin, session);
  attach(session, name, values);
  formats::NamedTensors delta = averages ? average_head(members, options.weights) : head.head;
  delta.insert(values.delta.tensors.begin(), values.delta.tensors.end());
  train::load_delta(session.model(), delta, "combine");
  session.model().eval();
  session.resolved = experiment::resolved(session.experiment, data, session.strategy_settings);
  combined.errors = std::move(values.errors);
  combined.notes = std::move(values.notes);
  return combined;
}

}  // namespace plugtune::app
