// several_runs.cc - opening runs on one base, and their answers.
#include "app/several_runs.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/batches.h"
#include "experiment/settle.h"
#include "formats/bert_weights.h"
#include "plugtune/error.h"

namespace plugtune::app {
namespace {

constexpr size_t kNamesShown = 3;

/// "classification (negative, positive)"
std::string question(const Task& task) {
  const std::string kind(experiment::task_name(task.kind));
  return task.labels.empty() ? kind : fmt::format("{} ({})", kind, join(task.labels));
}

void check_same_base(const SeveralRuns& runs, const Session& session, const std::string& run,
                     const std::string& fingerprint) {
  const Session& first = runs.sessions.front();
  if (fingerprint != first.opened.fingerprint) {
    throw Error(
        fmt::format("{}: was trained on another base than {}: {} with fingerprint {:.12}, not {} with {:.12}; only "
                    "runs of one base "
                    "can be used together",
                    run, runs.names.front(), session.experiment.model.path, fingerprint, first.experiment.model.path,
                    first.opened.fingerprint));
  }
  if (session.task.kind != first.task.kind || session.task.labels != first.task.labels ||
      session.task.pairs != first.task.pairs) {
    throw Error(fmt::format("{}: answers {}{}, {} answers {}{}; only runs with the same labels can be used together",
                            run, question(session.task), session.task.pairs ? " of pairs" : "", runs.names.front(),
                            question(first.task), first.task.pairs ? " of pairs" : ""));
  }
}

/// The head, and whatever else of the base the run trained.
std::vector<std::string> values_of(const model::Bert& model) {
  std::vector<std::string> names(model.trained_base().begin(), model.trained_base().end());
  for (const auto& [name, parameter] : model.own_parameters())
    if (model::is_head_parameter(name)) names.push_back(name);
  return names;
}

/// A pooler that neither the checkpoint nor the delta has was drawn from the run's own seed.
void draw_pooler(model::SharedBase& base, Session& session) {
  if (!session.opened.new_pooler || session.model().trained_base().contains("pooler.dense.weight")) return;
  base.own({"pooler.dense.weight", "pooler.dense.bias"});
  torch::manual_seed(static_cast<uint64_t>(session.experiment.run.seed));
  session.model().reset_pooler();
}

void add_run(SeveralRuns& runs, const std::string& run, const plugin::SearchPath& search, const RunChoice& choice) {
  if (std::ranges::find(runs.names, run) != runs.names.end()) throw Error(fmt::format("{}: is named twice", run));
  Session session;
  session.search = search;
  const experiment::DeltaInfo info = read_run(session, run, choice);
  if (runs.sessions.empty()) {
    open_base_of(session, run, info);
    runs.base = std::make_unique<model::SharedBase>(session.opened.bert);
  } else {
    check_same_base(runs, session, run, info.base_fingerprint);
    session.opened = runs.sessions.front().opened;
    open_tokenizer(session);
  }
  runs.base->begin_run();
  attach_strategies(session, info);
  runs.base->own(values_of(session.model()));
  draw_pooler(*runs.base, session);
  load_values(session, run);
  runs.names.push_back(run);
  runs.sessions.push_back(std::move(session));
}

/// One text of a mixed batch.
struct Item {
  size_t run;
  int64_t index;  // among the run's own
  int64_t length;
};

/// The longest first, as many as `batch_tokens` allows at once.
std::vector<std::vector<Item>> mixed_batches(const std::vector<data::EncodedSplit>& encoded, int64_t batch_tokens) {
  std::vector<Item> items;
  for (size_t run = 0; run < encoded.size(); ++run)
    for (size_t i = 0; i < encoded[run].size(); ++i)
      items.push_back({run, static_cast<int64_t>(i), encoded[run].length(i)});
  std::ranges::stable_sort(items, std::greater(), &Item::length);
  std::vector<std::vector<Item>> batches;
  int64_t tokens = 0;
  for (const Item& item : items) {
    tokens += item.length;
    if (batches.empty() || tokens > batch_tokens) {
      batches.emplace_back();
      tokens = item.length;
    }
    batches.back().push_back(item);
  }
  return batches;
}

/// Runs that go through a span by themselves last, so that the others' rows stay together.
std::vector<size_t> order_of_runs(const SeveralRuns& runs) {
  std::vector<size_t> order;
  for (const bool alone : {false, true})
    for (size_t run = 0; run < runs.sessions.size(); ++run)
      if (runs.base->goes_alone(run) == alone) order.push_back(run);
  return order;
}

model::Input joined(const std::vector<model::Input>& parts) {
  std::vector<Tensor> ids, types, positions;
  std::vector<int64_t> lengths;
  for (const model::Input& part : parts) {
    ids.push_back(part.ids);
    types.push_back(part.types);
    positions.push_back(part.positions);
    for (int64_t b = 0; b < part.layout.sequences(); ++b)
      lengths.push_back(part.layout.length(b));
  }
  return {torch::cat(ids), torch::cat(types), torch::cat(positions), Layout(lengths)};
}

/// What a patch throws is told as its own run's.
Tensor guarded_forward(SeveralRuns& runs, const model::Input& input,
                       const std::vector<model::SharedBase::Share>& shares) {
  try {
    return runs.base->forward(input, shares);
  } catch (const PatchError&) {
    const size_t run = runs.base->failed_run();
    try {
      runs.sessions[run].methods.guard("forward()", [] { throw; });
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", runs.names[run], error.what()));
    }
    throw;
  }
}

}  // namespace

SeveralRuns open_runs(const std::vector<std::string>& names, const plugin::SearchPath& search,
                      const std::string& precision, const RunChoice& choice) {
  SeveralRuns runs;
  for (const std::string& run : names)
    add_run(runs, run, search, choice);
  if (precision == "bf16") runs.base->convert(torch::kBFloat16);
  return runs;
}

data::EncodedSplit encode_with(const SeveralRuns& runs, size_t run, const Dataset& dataset, Split split) {
  return data::encode(dataset, split, *runs.sessions[run].tokenizer, encode_options(runs.sessions[run]));
}

train::Predictions predict_with(SeveralRuns& runs, size_t run, const data::EncodedSplit& encoded) {
  Session& session = runs.sessions[run];
  runs.base->select(run);
  return session.methods.guard(
      "forward()", [&] { return train::predict(session.model(), encoded, session.experiment.eval.batch_tokens); });
}

void check_can_share_a_batch(const SeveralRuns& runs) {
  std::vector<std::string> problems;
  for (size_t run = 0; run < runs.sessions.size(); ++run) {
    std::vector<std::string> names = formats::fold_layers(runs.base->unshareable(run));
    if (names.empty()) continue;
    const bool all_shown = names.size() <= kNamesShown;
    if (!all_shown) names.resize(kNamesShown);
    problems.push_back(
        fmt::format("{}: trained weights of the base itself ({}{}), which rows of other runs cannot pass "
                    "through; leave it out, or predict without --by-line",
                    runs.names[run], join(names), all_shown ? "" : ", ..."));
  }
  if (!problems.empty()) throw Error(problems);
}

Tensor predict_mixed(SeveralRuns& runs, const std::vector<data::EncodedSplit>& encoded,
                     const std::vector<std::vector<int64_t>>& places) {
  int64_t examples = 0;
  for (const auto& own : places)
    examples += static_cast<int64_t>(own.size());
  Tensor logits = torch::empty({examples, runs.sessions.front().model().options().labels}, torch::kFloat32);
  const std::vector<size_t> order = order_of_runs(runs);
  for (const std::vector<Item>& batch : mixed_batches(encoded, runs.sessions.front().experiment.eval.batch_tokens)) {
    std::vector<model::Input> parts;
    std::vector<model::SharedBase::Share> shares;
    std::vector<int64_t> rows;
    for (const size_t run : order) {
      std::vector<int64_t> indices;
      for (const Item& item : batch)
        if (item.run == run) indices.push_back(item.index);
      if (indices.empty()) continue;
      parts.push_back(data::make_batch(encoded[run], indices).input);
      shares.push_back({run, static_cast<int64_t>(indices.size())});
      for (const int64_t index : indices)
        rows.push_back(places[run][static_cast<size_t>(index)]);
    }
    const Tensor answers = guarded_forward(runs, joined(parts), shares);
    logits.index_copy_(0, torch::tensor(rows), answers.to(torch::kFloat32));
  }
  return logits;
}

Tensor average_logits(TaskKind kind, const std::vector<Tensor>& logits) {
  constexpr double kSmallest = 1e-15;  // keeps a certain answer finite
  std::vector<Tensor> values;
  for (const Tensor& one : logits) {
    const Tensor exact = one.to(torch::kFloat64);
    values.push_back(kind == TaskKind::kRegression   ? exact
                     : kind == TaskKind::kMultiLabel ? torch::sigmoid(exact)
                                                     : torch::softmax(exact, 1));
  }
  const Tensor mean = torch::stack(values).mean(0);  // (E, labels)
  if (kind == TaskKind::kRegression) return mean.to(torch::kFloat32);
  if (kind == TaskKind::kMultiLabel) return torch::logit(mean, kSmallest).to(torch::kFloat32);
  return mean.clamp_min(kSmallest).log().to(torch::kFloat32);
}

}  // namespace plugtune::app
