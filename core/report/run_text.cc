// run_text.cc - a run in words: what was loaded and what trains, before; what came out, after.
#include "report/run_text.h"

#include <fmt/format.h>

#include "formats/wording.h"
#include "plugtune/error.h"
#include "report/compare_rows.h"
#include "report/text_table.h"

namespace plugtune::report {

namespace {

using formats::grouped;

constexpr size_t kLabelsShown = 6;

std::string model_text(const RunSetup& setup) {
  const ModelInfo& info = setup.model_info;
  return fmt::format("{}{}: {} layers x {}, {} heads, {} words, {} parameters, fingerprint {}", setup.model,
                     setup.random_init ? " (random weights)" : "", info.layers, info.hidden_size, info.heads,
                     grouped(info.vocabulary_size), grouped(setup.model_parameters), setup.fingerprint);
}

std::string data_text(const RunSetup& setup) {
  std::string text = fmt::format("{} {}: {} training examples, {} tokens an epoch", setup.dataset.name,
                                 setup.dataset.version, grouped(setup.train_examples), grouped(setup.tokens_per_epoch));
  if (setup.eval_examples > 0) text += fmt::format(", {} {} examples", grouped(setup.eval_examples), setup.eval_split);
  return text;
}

std::string task_text(const RunSetup& setup) {
  if (setup.task == TaskKind::kRegression) return "regression";
  if (setup.task == TaskKind::kText) {
    return fmt::format("masked-lm, {:g} % of the tokens are guessed{}{}", 100 * setup.mask_probability,
                       setup.whole_words ? ", whole words" : "",
                       setup.next_sentence ? ", and whether the second text is next" : "");
  }
  std::vector<std::string> shown(
      setup.labels.begin(), setup.labels.begin() + static_cast<ptrdiff_t>(std::min(kLabelsShown, setup.labels.size())));
  if (shown.size() < setup.labels.size()) shown.push_back("...");
  return fmt::format("{}, {} labels: {}", setup.task == TaskKind::kMultiLabel ? "multi-label" : "classification",
                     setup.labels.size(), join(shown));
}

std::string training_text(const RunSetup& setup) {
  return fmt::format("{} steps of {} sequences, {} epochs; {} on {}, {} thread{}; seed {}", grouped(setup.steps),
                     setup.batch_size, epoch_text(setup.epochs), setup.precision, setup.device, setup.threads,
                     setup.threads == 1 ? "" : "s", setup.seed);
}

std::string trainable_table(const RunSetup& setup) {
  TextTable table({{"trains"}, {"parameters", true}, {"share", true}, {"from"}});
  const auto add = [&](const std::string& what, int64_t parameters, const std::string& from) {
    const double share =
        setup.total_parameters > 0 ? static_cast<double>(parameters) / static_cast<double>(setup.total_parameters) : 0;
    table.add({what, grouped(parameters), share_text(share), from});
  };
  int64_t total = setup.head_trainable;
  for (const RunSetup::Plugin& strategy : setup.strategies) {
    add(fmt::format("{} {}", strategy.name, strategy.version), strategy.trainable, strategy.file);
    total += strategy.trainable;
  }
  add("head", setup.head_trainable, "");
  add("together", total, fmt::format("of {} parameters", grouped(setup.total_parameters)));
  return table.terminal();
}

std::string metrics_text(const train::Metrics& metrics) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : metrics.values)
    parts.push_back(fmt::format("{} {}", name, metric_text(value)));
  return join(parts);
}

}  // namespace

std::string setup_text(const RunSetup& setup) {
  std::string out = fmt::format("experiment  {} -> {}\n", setup.experiment, setup.run);
  out += fmt::format("model       {}\n", model_text(setup));
  out += fmt::format("data        {}\n", data_text(setup));
  out += fmt::format("task        {}\n", task_text(setup));
  out += fmt::format("training    {}\n", training_text(setup));
  for (const std::string& note : setup.notes)
    out += fmt::format("note        {}\n", note);
  return out + "\n" + trainable_table(setup) + "\n";
}

TextTable evaluations_table(const RunReport& report) {
  std::vector<TextTable::Column> columns = {{"epoch", true}, {"train loss", true}};
  for (const auto& [name, value] : report.result.epochs.front().eval.values)
    columns.push_back({name, true});
  columns.insert(columns.end(), {{"time", true}, {""}});
  TextTable table(columns);
  for (const train::EvalReport& epoch : report.result.epochs) {
    std::vector<std::string> row = {epoch_text(epoch.epoch), metric_text(epoch.train_loss)};
    for (const auto& [name, value] : report.result.epochs.front().eval.values)
      row.push_back(metric_text(value_of(epoch.eval, name)));
    row.push_back(duration_text(epoch.seconds));
    row.push_back(&epoch == report.best() ? "best" : "");
    table.add(std::move(row));
  }
  return table;
}

std::string summary_text(const RunReport& report, const std::string& run) {
  std::string out = "\n";
  if (!report.result.epochs.empty()) {
    if (report.data.eval_split != "none" && !report.data.eval_split.empty())
      out += fmt::format("evaluated on the {} split:\n", report.data.eval_split);
    out += evaluations_table(report).terminal();
  }
  if (const train::EvalReport* best = report.best()) {
    out += fmt::format("best: {} {} at epoch {}; the {} delta is kept\n", report.metric,
                       metric_text(best->eval.at(report.metric)), epoch_text(best->epoch),
                       report.result.kept_best ? "best" : "last");
  }
  if (report.test) out += fmt::format("test: {}\n", metrics_text(report.test->metrics));
  out += fmt::format("{} steps in {} (start-up {}, training {}, evaluation {}), {} tokens/s, {} memory at the peak\n",
                     grouped(report.result.steps), duration_text(report.total_seconds),
                     duration_text(report.startup_seconds), duration_text(report.result.train_seconds),
                     duration_text(report.result.eval_seconds), grouped(std::llround(report.tokens_per_second())),
                     formats::size_text(static_cast<uint64_t>(report.peak_memory_bytes)));
  return out + fmt::format("the run is in {}\n", run);
}

}  // namespace plugtune::report
