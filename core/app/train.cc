// train.cc - `plugtune train`: from an experiment file to a run directory.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>

#include "app/command_line.h"
#include "app/process.h"
#include "app/run_files.h"
#include "app/session.h"
#include "experiment/run_directory.h"
#include "formats/atomic_file.h"
#include "report/progress.h"
#include "report/run_html.h"
#include "report/run_text.h"
#include "report/tensorboard.h"
#include "train/evaluator.h"
#include "train/interrupt.h"
#include "train/trainer.h"

namespace plugtune::app {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Trainable numbers of the classifier, and of the pooler when no strategy asked for it but the head.
int64_t head_parameters(const Session& session) {
  int64_t all = train::count_numbers(train::trainable_parameters(session.model()));
  for (const int64_t strategy : session.methods.trainable_counts())
    all -= strategy;
  return all;
}

/// The data of a run: what trains and what is evaluated while it trains.
struct Splits {
  data::EncodedSplit train;
  std::optional<data::EncodedSplit> evaluation;
  std::vector<std::string> notes;
};

/// What is odd about the texts of an evaluation.
std::vector<std::string> notes_of(const data::EncodedSplit& evaluation, const data::EncodedSplit& train) {
  std::vector<std::string> notes = evaluation.warnings;
  if (const std::string shared = data::shared_texts_warning(train, evaluation); !shared.empty())
    notes.push_back(shared);
  return notes;
}

Splits encode_splits(const Session& session) {
  Splits splits;
  splits.train = encode_split(session, Split::kTrain);
  splits.notes = session.opened.notes;
  const auto add = [&](const std::vector<std::string>& lines) {
    splits.notes.insert(splits.notes.end(), lines.begin(), lines.end());
  };
  add(session.tokenizer->notes());
  add(splits.train.warnings);
  const std::string& choice = session.experiment.eval_choices.split;
  if (choice != "none") {
    splits.evaluation = encode_split(session, choice == "test" ? Split::kTest : Split::kValidation);
    add(notes_of(*splits.evaluation, splits.train));
  }
  return splits;
}

report::RunReport describe(const Session& session, const Splits& splits, double start) {
  const auto& experiment = session.experiment;
  report::RunReport report;
  report.threads = at::get_num_threads();
  report.started = report::timestamp();
  report.name = experiment.run.name;
  report.seed = experiment.run.seed;
  report.experiment = session.resolved;
  report.model = {experiment.model.path, session.opened.fingerprint,
                  train::count_numbers(session.model().own_parameters())};
  for (size_t i = 0; i < session.methods.all().size(); ++i) {
    const auto& strategy = session.methods.all()[i];
    report.strategies.push_back({strategy.name(), strategy.version(), session.methods.trainable_counts()[i], {}});
  }
  report.trainable_parameters = train::count_numbers(train::trainable_parameters(session.model()));
  report.head_parameters = head_parameters(session);
  const auto total =
      static_cast<double>(report.model.parameters + train::count_numbers(session.model().patch_parameters()));
  report.trainable_fraction = static_cast<double>(report.trainable_parameters) / total;
  report.data.plugin = session.dataset->name();
  report.data.train_examples = static_cast<int64_t>(splits.train.size());
  report.data.eval_examples = splits.evaluation ? static_cast<int64_t>(splits.evaluation->size()) : 0;
  report.data.tokens_per_epoch = splits.train.tokens();
  report.data.eval_split = experiment.eval_choices.split;
  report.data.labels = session.task.labels;
  report.metric = experiment.eval.metric;
  report.startup_seconds = now() - start;
  return report;
}

struct Steps {
  int64_t total, per_epoch;
};

std::string setup_text(const Session& session, const Splits& splits, const report::RunReport& report, const Steps& plan,
                       const std::string& run) {
  const auto& experiment = session.experiment;
  report::RunSetup setup;
  setup.experiment = experiment.file;
  setup.run = run;
  setup.model = experiment.model.path;
  setup.fingerprint = report.model.fingerprint;
  setup.random_init = experiment.model.random_init;
  setup.model_info = session.model().info();
  setup.model_parameters = report.model.parameters;
  setup.dataset = {session.dataset->name(), session.dataset->version(), session.dataset->file(), 0};
  setup.train_examples = report.data.train_examples;
  setup.eval_examples = report.data.eval_examples;
  setup.tokens_per_epoch = report.data.tokens_per_epoch;
  setup.eval_split = report.data.eval_split;
  setup.task = session.task.kind;
  setup.labels = session.task.labels;
  setup.mask_probability = experiment.task.mask_probability;
  setup.whole_words = experiment.task.whole_words;
  setup.next_sentence = experiment.task.next_sentence;
  for (size_t i = 0; i < session.methods.all().size(); ++i) {
    const auto& strategy = session.methods.all()[i];
    const std::string& from = experiment.strategies[i].from;
    const std::string taken =
        from.empty() ? "" : fmt::format(", {}{}", session.methods.is_frozen(i) ? "frozen, of " : "of ", from);
    setup.strategies.push_back(
        {strategy.name(), strategy.version(), strategy.file() + taken, session.methods.trainable_counts()[i]});
  }
  setup.head_trainable = report.head_parameters;
  setup.total_parameters = report.model.parameters + train::count_numbers(session.model().patch_parameters());
  setup.steps = plan.total;
  setup.batch_size = experiment.train.batch_size;
  setup.seed = report.seed;
  setup.epochs = static_cast<double>(plan.total) / static_cast<double>(plan.per_epoch);
  setup.precision = experiment.train.precision == train::Precision::kBf16 ? "bf16" : "fp32";
  setup.threads = report.threads;
  setup.notes = splits.notes;
  return report::setup_text(setup);
}

bool has_reporter(const Session& session) {
  for (const auto& strategy : session.methods.all()) {
    if (strategy.reporter != nullptr) return true;
  }
  return false;
}

report::RunReport::Test test_of(const Session& session, const train::Predictions& predictions, double seconds) {
  return {train::metrics_of(session.task.kind, predictions), seconds,
          report::answers_of(session.task.kind, predictions),
          report::worst_mistakes(session.task, predictions, *session.dataset->dataset, Split::kTest,
                                 static_cast<size_t>(session.experiment.eval_choices.mistakes))};
}

/// What a strategy has for the report is no part of what was learnt: the run is whole without it.
bool reports(const std::function<void()>& part) {
  try {
    part();
    return true;
  } catch (const Error& error) {
    std::cerr << fmt::format("{}\nnote  the report is written without its tables\n", error.what());
    return false;
  }
}

/// The delta that was kept, on the test split; strategies that report look on. Not done again when training's last evaluation was it.
/// @param tells  what is odd about its texts
void evaluate_test(Session& session, const Splits& splits, const train::Trainer& trainer, bool tells,
                   report::RunReport& report) {
  const std::optional<train::Predictions>& last = trainer.last_predictions();
  const auto& evaluations = report.result.epochs;
  const bool is_test = report.data.eval_split == "test";
  if (is_test && last && !has_reporter(session) && !report.result.kept_best && !evaluations.empty() &&
      evaluations.back().step == report.result.steps) {
    report.test = test_of(session, *last, evaluations.back().eval_seconds);
    return;
  }
  if (session.dataset->dataset->size(Split::kTest) == 0 || !session.experiment.eval_choices.test) return;
  const data::EncodedSplit encoded = is_test ? data::EncodedSplit{} : encode_split(session, Split::kTest);
  if (tells && !is_test) {
    for (const std::string& note : notes_of(encoded, splits.train))
      std::cerr << "note  " << note << "\n";
  }
  const double start = now();
  const auto& methods = session.methods.all();
  std::vector<bool> collects;
  for (const auto& strategy : methods) {
    collects.push_back(strategy.reporter != nullptr && reports([&] {
                         strategy.plugin.call("report_begin()", [&] { strategy.reporter->report_begin(); });
                       }));
  }
  const bool any_collects = std::ranges::find(collects, true) != collects.end();
  const train::Predictions predictions = session.methods.guard("forward()", [&] {
    return train::predict(session.model(), is_test ? *splits.evaluation : encoded, trainer.eval_batch_tokens(), {},
                          any_collects ? train::PatchUse::kCalled : train::PatchUse::kMerged);
  });
  for (size_t i = 0; i < methods.size(); ++i) {
    if (collects[i]) reports([&] { report.strategies[i].tables = methods[i].report_end(); });
  }
  report.test = test_of(session, predictions, now() - start);
}

/// The run is finished without it: what keeps the page from being written is told, and changes nothing else.
void write_page(const experiment::RunPaths& paths) {
  try {
    formats::write_file_atomically(paths.page(), report::run_html_of(paths.root));
  } catch (const Error& error) {
    std::cerr << fmt::format("{}\nthe run is whole all the same; write its page with: plugtune report {}\n",
                             error.what(), paths.root.string());
  }
}

/// --output; a run's own experiment.toml is resumed where it lies.
std::filesystem::path choose_run(const CommandLine& line, const experiment::Experiment& experiment) {
  if (line.has("output")) return line.text("output");
  const std::filesystem::path file = line.texts("experiment.toml").front();
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const experiment::RunPaths paths(folder);
  std::error_code ignored;
  if (line.has("resume") && std::filesystem::equivalent(file, paths.experiment(), ignored) &&
      (std::filesystem::exists(paths.log(), ignored) || std::filesystem::exists(paths.checkpoints(), ignored)))
    return folder;
  return experiment::default_run_path(experiment.run.name);
}

int train(const CommandLine& line, double start) {
  experiment::Experiment experiment =
      experiment::read_experiment(line.texts("experiment.toml").front(), line.texts("set"));
  const std::filesystem::path run = choose_run(line, experiment);
  Session session = open_experiment(std::move(experiment), line.search_path());
  if (train::trainable_parameters(session.model()).empty())
    throw Error("strategy: nothing would train; name one whose patches train, or let task.train_head be \"auto\"");
  if (line.has("resume") && experiment::run_state(run) == experiment::RunState::kFinished) {
    experiment::check_same_experiment(experiment::RunPaths(run), session.resolved);
    std::cout << fmt::format("{} is finished; plugtune compare {} shows it\n", run.string(), run.string());
    return kDone;
  }
  const experiment::RunDirectory directory(run, session.resolved, line.has("resume"));
  if (line.has("resume") && !directory.resumed() && !line.has("quiet"))
    std::cerr << fmt::format("note  {}: there is nothing to resume, training begins\n", run.string());
  const Splits splits = encode_splits(session);
  report::RunReport report = describe(session, splits, start);

  const train::CheckpointStore checkpoints(directory.paths().checkpoints(), session.experiment.train.keep_checkpoints);
  const int64_t done_before = directory.resumed() ? checkpoints.newest_step() : 0;
  experiment::RunLog log(directory.paths().log(), done_before);
  report::Progress progress(std::cout, report::Terminal::of(STDOUT_FILENO), line.has("quiet"));
  report::LoggedListener logged(log, progress);
  report::TensorBoardListener listener(directory.paths().root, done_before, logged);
  train::note_interrupts();
  train::Trainer trainer({session.model(), session.methods, splits.train,
                          splits.evaluation ? &*splits.evaluation : nullptr, &checkpoints, listener,
                          session.experiment.train, session.experiment.eval, static_cast<uint64_t>(report.seed),
                          session.opened.fingerprint});
  if (!line.has("quiet"))
    std::cout << setup_text(session, splits, report, {trainer.total_steps(), trainer.plan().steps_per_epoch()},
                            run.string())
              << std::flush;

  report.result = trainer.run(line.has("resume"));
  write_delta(directory.paths(), trainer.delta(), session.delta_info());
  std::string test_problem;
  try {
    evaluate_test(session, splits, trainer, !line.has("quiet"), report);
  } catch (const Error& error) {
    test_problem = error.what();  // no reason to lose the run
  }
  report.delta_bytes = static_cast<int64_t>(std::filesystem::file_size(directory.paths().delta_tensors()));
  // What earlier processes of a resumed run did is in the parts alone.
  const double parts = report.startup_seconds + report.result.train_seconds + report.result.eval_seconds;
  report.total_seconds = std::max(now() - start, parts);
  report.peak_memory_bytes = peak_memory_bytes();
  report::write_report(directory.paths().report(), report);
  write_page(directory.paths());
  if (!line.has("quiet")) std::cout << report::summary_text(report, run.string());
  if (!test_problem.empty())
    throw Error(
        fmt::format("{}\n{} is finished all the same, without metrics of the test split", test_problem, run.string()));
  return kDone;
}

}  // namespace

int train_command(const Arguments& arguments) {
  const double start = now();
  CommandLine line(
      "train",
      "Trains an experiment and writes its run directory: delta, report, log, checkpoints.\n"
      "Ctrl-C writes a checkpoint; --resume goes on from the newest one, to the same bits.",
      {"plugtune train experiment.toml", "plugtune train experiment.toml --set strategy.rank=16 --output runs/rank16"});
  line.positional("experiment.toml")
      .overrides()
      .value("output", "DIR", "the run directory; without it runs/<run.name>")
      .flag("resume", "go on with a run that was stopped")
      .plugin_path()
      .quiet();
  return line.parse(arguments) ? train(line, start) : kDone;
}

}  // namespace plugtune::app
