// trainer.cc - training, top to bottom. The order of the calls into strategies in train_step() is a promise (docs/abi.md).
#include "train/trainer.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/record_function.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "model/loss.h"
#include "model/precision.h"
#include "plugtune/error.h"
#include "train/delta.h"
#include "train/diagnose.h"
#include "train/interrupt.h"
#include "train/profiler.h"
#include "train/schedule.h"

namespace plugtune::train {
namespace {

constexpr int64_t kMostFeatureBytes = 2'000'000'000;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int64_t count_steps(const TrainSettings& settings, int64_t steps_per_epoch) {
  if (settings.steps > 0) return settings.steps;
  return std::max<int64_t>(1, std::llround(settings.epochs * static_cast<double>(steps_per_epoch)));
}

data::BatchSettings batch_settings(const TrainJob& job) {
  data::BatchSettings settings;
  settings.batch_size = job.settings.batch_size;
  settings.micro_batch_tokens = job.settings.micro_batch_tokens;
  settings.group_by_length = job.settings.group_by_length;
  settings.seed = job.seed;
  return settings;
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> trainable_parameters(const model::Bert& model) {
  std::vector<std::pair<std::string, Tensor>> all;
  for (const auto& source : {model.patch_parameters(), model.own_parameters()}) {
    for (const auto& entry : source) {
      if (entry.second.requires_grad()) all.push_back(entry);
    }
  }
  return all;
}

int64_t count_numbers(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  int64_t numbers = 0;
  for (const auto& [name, tensor] : tensors)
    numbers += tensor.numel();
  return numbers;
}

Trainer::Trainer(TrainJob job)
    : job_(std::move(job)),
      plan_(job_.train, batch_settings(job_)),
      total_steps_(count_steps(job_.settings, plan_.steps_per_epoch())),
      warmup_steps_(train::warmup_steps(job_.settings, total_steps_)),
      words_(job_.model, job_.train, job_.evaluation, job_.methods.look_at_weights()),
      optimizer_(trainable_parameters(job_.model), job_.settings,
                 [this](const std::string& name) { return job_.methods.rule(name); }) {
  if (job_.settings.precision == Precision::kBf16) to_training_precision();
  for (const auto& strategy : job_.methods.all())
    strategy.begin({.steps = total_steps_, .steps_per_epoch = plan_.steps_per_epoch(), .warmup_steps = warmup_steps_});
  if (job_.settings.cache_frozen) frozen_layers_ = frozen_layers(job_.model, job_.methods);
  job_.model.rest_below(frozen_layers_);
  plan_memory();
}

void Trainer::plan_memory() {
  const bool are_read_again = total_steps_ > plan_.steps_per_epoch();
  keeps_features_ = frozen_layers_ > 0 && are_read_again && features_bytes() <= kMostFeatureBytes;
  if (job_.settings.memory == 0 && !job_.settings.recompute) return;
  const auto pass = [this](const data::Batch& batch) { job_.methods.backward(loss_of(batch).value); };
  job_.model.train();
  if (job_.settings.recompute) check_recompute(job_.model, job_.train, optimizer_, pass);
  if (job_.settings.memory == 0) return;
  MemoryRoom room = room_within(job_.settings.memory, beside_passes(), job_.model, job_.train, optimizer_, pass);
  keeps_features_ = keeps_features_ && features_bytes() <= std::min(room.bytes / 2, room.bytes - room.needed);
  if (keeps_features_) room.bytes -= features_bytes();
  plan_.set_micro_batch_tokens(room.tokens());
  job_.eval.batch_tokens = std::min(job_.eval.batch_tokens, room.tokens());
  job_.listener.on_message(fmt::format("train.memory has room for {} tokens at a time", room.tokens()));
}

Beside Trainer::beside_passes() const {
  Beside beside;
  if (job_.evaluation != nullptr) beside.always = job_.evaluation->tokens() * static_cast<int64_t>(sizeof(int32_t));
  beside.at_saves = words_.table_bytes();
  return beside;
}

void Trainer::to_training_precision() {
  torch::NoGradGuard no_grad;
  const NamedTensors delta = collect_delta(job_.model);
  NamedTensors originals;
  for (const auto& [name, tensor] : delta)
    if (!optimizer_.master(name).defined()) originals.emplace(name, tensor.detach().clone());
  model::convert(job_.model, torch::kBFloat16);
  remember_originals(originals);
}

void Trainer::remember_originals(const NamedTensors& values) {
  if (job_.settings.precision != Precision::kBf16) return;
  for (const auto& [name, tensor] : collect_delta(job_.model)) {
    if (optimizer_.master(name).defined()) continue;
    originals_[name] = {values.at(name).detach().to(torch::kFloat32), tensor.detach().clone()};
  }
}

TrainResult Trainer::run(bool resume) {
  if (resume && job_.checkpoints != nullptr) {
    if (const auto checkpoint = job_.checkpoints->newest()) load_checkpoint(*checkpoint);
  }
  log_clock_ = now();
  log_tokens_ = progress_.tokens;
  steps_at_start_ = progress_.step;
  seconds_at_start_ = progress_.train_seconds;
  bool stopped_early = should_stop_early();
  if (progress_.step < total_steps_ && !stopped_early) compute_features();
  job_.model.train();
  while (progress_.step < total_steps_ && !stopped_early) {
    train_step();
    const bool last = progress_.step == total_steps_;
    const bool evaluates = job_.evaluation != nullptr && (last || is_due(job_.eval.every));
    if (evaluates || last || is_due(job_.settings.checkpoint_every)) check_parameters();
    if (evaluates) evaluate();
    stopped_early = should_stop_early();
    const int signal = pending_interrupt();
    if (signal != 0) check_parameters();  // such a checkpoint would take the place of a good one
    if (last || stopped_early || signal != 0 || is_due(job_.settings.checkpoint_every)) save_checkpoint();
    if (signal != 0 && !last) {
      throw Interrupted(signal, fmt::format("interrupted after step {}; a checkpoint was written, go on with --resume",
                                            progress_.step));
    }
  }
  job_.model.rest_below(0);
  job_.model.eval();
  if (job_.eval.keep_best) keep_best();
  if (words_.active()) words_.restore(whole_words());

  TrainResult result;
  result.epochs = progress_.evaluations;
  result.steps = progress_.step;
  result.best_index = progress_.best_index;
  result.kept_best = job_.eval.keep_best && progress_.best_index >= 0;
  result.stopped_early = stopped_early && progress_.step < total_steps_;
  result.train_seconds = progress_.train_seconds;
  result.eval_seconds = progress_.eval_seconds;
  result.tokens = progress_.tokens;
  return result;
}

int64_t Trainer::features_bytes() const {
  return Features::bytes(job_.model, &job_.train, frozen_layers_) +
         Features::bytes(job_.model, job_.evaluation, frozen_layers_);
}

void Trainer::compute_features() {
  if (!keeps_features_) return;
  const double start = now();
  const int64_t layers = job_.model.options().layers;
  job_.listener.on_message(
      frozen_layers_ == layers
          ? "the head alone trains: what it reads of each text is computed once"
          : fmt::format("nothing trains in the lowest {} of {} layers: what they compute of each text is computed once",
                        frozen_layers_, layers));
  const bool agree = job_.methods.guard("forward()", [&] {
    features_ = Features(job_.model, job_.train, frozen_layers_, job_.eval.batch_tokens);
    if (!features_.agree(job_.model)) return false;
    if (job_.evaluation != nullptr)
      evaluation_features_ = Features(job_.model, *job_.evaluation, frozen_layers_, job_.eval.batch_tokens);
    return true;
  });
  if (!agree) {
    features_ = {};
    job_.listener.on_message("a patch above reads what one below leaves behind: computed in every step all the same");
  }
  log_clock_ = now();
  progress_.train_seconds += log_clock_ - start;
  progress_.seconds_since_evaluation += log_clock_ - start;
  seconds_at_start_ = progress_.train_seconds;
}

void Trainer::train_step() {
  RECORD_USER_SCOPE(kStepSpan);
  const double start = now();
  const std::vector<data::Batch> step = plan_.step(progress_.step);
  const double loss = forward_backward(step);
  for (const auto& strategy : job_.methods.all()) {
    if (strategy.observer == nullptr) continue;  // gradients complete, not clipped
    RECORD_USER_SCOPE(strategy.name() + ".on_backward_end");
    strategy.plugin.call("on_backward_end()", [&] { strategy.observer->on_backward_end(progress_.step); });
  }
  const double norm = optimizer_.grad_norm();
  if (!std::isfinite(loss) || !std::isfinite(norm)) fail_not_finite(step, loss);
  // As torch.nn.utils.clip_grad_norm_, with its 1e-6.
  const double max_norm = job_.settings.max_grad_norm;
  const double scale = max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
  optimizer_.step(learning_rate_factor(progress_.step), scale);
  bool is_observed = false;
  for (const auto& strategy : job_.methods.all()) {
    if (strategy.observer == nullptr) continue;
    RECORD_USER_SCOPE(strategy.name() + ".on_step_end");
    strategy.plugin.call("on_step_end()", [&] { strategy.observer->on_step_end(progress_.step); });
    is_observed = true;
  }
  if (is_observed) optimizer_.take_changes();
  optimizer_.zero_grad();

  ++progress_.step;
  const double seconds = now() - start;
  progress_.train_seconds += seconds;
  progress_.seconds_since_evaluation += seconds;
  for (const data::Batch& batch : step)
    progress_.tokens += batch.input.layout.rows();
  log_step(norm);
}

Trainer::Loss Trainer::loss_of(const data::Batch& batch) {
  const auto [logits, next_sentence] = job_.methods.guard("forward()", [&]() -> model::Bert::Answers {
    if (!features_.defined()) return job_.model.answers(batch.input);
    return {features_.logits(job_.model, batch), Tensor()};
  });
  Tensor loss = model::task_loss(job_.model.options().task, logits, batch.targets, batch.step_examples);
  if (next_sentence.defined())
    loss = loss + model::task_loss(TaskKind::kClassification, next_sentence, batch.next_targets, batch.step_sequences);
  Tensor auxiliary;
  for (const auto& strategy : job_.methods.all()) {
    if (strategy.auxiliary == nullptr || !batch.ends_step) continue;
    RECORD_USER_SCOPE(strategy.name() + ".auxiliary_loss");
    const Tensor own = strategy.plugin.call("auxiliary_loss()", [&] { return strategy.auxiliary->auxiliary_loss(); });
    auxiliary = auxiliary.defined() ? auxiliary + own : own;
  }
  return {auxiliary.defined() ? loss + auxiliary : loss, logits, auxiliary};
}

double Trainer::forward_backward(const std::vector<data::Batch>& step) {
  double step_loss = 0, auxiliary_loss = 0;
  int64_t correct = 0, examples = 0;
  for (const data::Batch& batch : step) {
    const auto [loss, logits, auxiliary] = loss_of(batch);
    job_.methods.backward(loss);
    step_loss += loss.item<double>();
    if (auxiliary.defined()) auxiliary_loss += auxiliary.item<double>();
    examples += logits.size(0);
    if (tells_accuracy()) {
      correct += logits.detach().argmax(1).eq(batch.targets).sum().item<int64_t>();
    }
  }
  for (Progress::Sums* sums : {&progress_.since_evaluation, &progress_.since_log}) {
    sums->loss += step_loss;
    sums->auxiliary_loss += auxiliary_loss;
    sums->steps += examples > 0 ? 1 : 0;  // masked LM may choose no token of a short step
    sums->correct += correct;
    sums->examples += examples;
  }
  return step_loss;
}

void Trainer::fail_not_finite(const std::vector<data::Batch>& step, double loss) {
  throw Error(fmt::format(
      "training: the {} is not finite at step {}: {}; lower train.learning_rate, or set train.max_grad_norm",
      std::isfinite(loss) ? "gradient" : "loss", progress_.step + 1, first_not_finite(job_.model, step, optimizer_)));
}

void Trainer::check_parameters() const {
  const std::string name = first_not_finite_parameter(optimizer_);
  if (name.empty()) return;
  throw Error(
      fmt::format("training: the trained values of {} are not finite after step {}; lower train.learning_rate, or set "
                  "train.max_grad_norm",
                  name, progress_.step));
}

void Trainer::log_step(double norm) {
  const bool due = progress_.step % job_.settings.log_every == 0 || progress_.step == total_steps_;
  if (!due) return;
  const Progress::Sums& sums = progress_.since_log;
  const double clock = now();
  StepReport report;
  report.step = progress_.step;
  report.total_steps = total_steps_;
  report.epoch = epochs_done();
  report.loss = sums.loss / static_cast<double>(sums.steps);
  if (job_.methods.have_auxiliary_loss()) report.auxiliary_loss = sums.auxiliary_loss / static_cast<double>(sums.steps);
  if (tells_accuracy() && sums.examples > 0) {
    report.accuracy = static_cast<double>(sums.correct) / static_cast<double>(sums.examples);
  }
  report.learning_rate = job_.settings.learning_rate * learning_rate_factor(progress_.step - 1);
  report.grad_norm = norm;
  report.tokens_per_second = static_cast<double>(progress_.tokens - log_tokens_) / std::max(1e-9, clock - log_clock_);
  const double per_step =
      (progress_.train_seconds - seconds_at_start_) / static_cast<double>(progress_.step - steps_at_start_);
  report.seconds_left = per_step * static_cast<double>(total_steps_ - progress_.step);
  job_.listener.on_step(report);
  progress_.since_log = {};
  log_clock_ = clock;
  log_tokens_ = progress_.tokens;
}

std::string Trainer::not_finite_text(const Predictions& predictions) const {
  return job_.model.options().task == TaskKind::kText && predictions.guessed == 0
             ? "this evaluation had no token to guess: it has too few for task.mask_probability, and is never the best"
             : "the loss of this evaluation is not finite: it is never the best";
}

void Trainer::evaluate() {
  const double start = now();
  EvalReport report;
  report.step = progress_.step;
  report.epoch = epochs_done();
  last_predictions_ = job_.methods.guard(
      "forward()", [&] { return predict(job_.model, *job_.evaluation, job_.eval.batch_tokens, evaluation_features_); });
  report.eval = metrics_of(job_.model.options().task, *last_predictions_);
  report.train_loss = progress_.since_evaluation.loss / static_cast<double>(progress_.since_evaluation.steps);
  report.seconds = progress_.seconds_since_evaluation;
  report.eval_seconds = now() - start;
  const double value = report.eval.at(job_.eval.metric), loss = report.eval.at("loss");
  if (!std::isfinite(loss)) job_.listener.on_message(not_finite_text(*last_predictions_));
  const bool is_final_form = job_.methods.have_final_form();
  report.is_best =
      is_final_form && std::isfinite(loss) && std::isfinite(value) &&
      (progress_.best_index < 0 ||
       is_better(job_.eval.metric, value,
                 progress_.evaluations[static_cast<size_t>(progress_.best_index)].eval.at(job_.eval.metric)));
  if (report.is_best) {
    progress_.best_index = static_cast<int64_t>(progress_.evaluations.size());
    progress_.evaluations_since_best = 0;
    if (job_.eval.keep_best && job_.checkpoints != nullptr) job_.checkpoints->save_best(delta(), report.step);
  } else if (is_final_form) {
    ++progress_.evaluations_since_best;
  }
  progress_.evaluations.push_back(report);
  progress_.eval_seconds += report.eval_seconds;
  progress_.since_evaluation = {};
  progress_.seconds_since_evaluation = 0;
  job_.listener.on_evaluation(report);
  log_clock_ += now() - start;  // the tokens since the last line were trained in the rest of the time
}

bool Trainer::tells_accuracy() const {
  const TaskKind task = job_.model.options().task;
  return task == TaskKind::kClassification || task == TaskKind::kText;
}

bool Trainer::should_stop_early() const {
  return job_.eval.patience > 0 && progress_.evaluations_since_best >= job_.eval.patience;
}

double Trainer::epochs_done() const {
  return static_cast<double>(progress_.step) / static_cast<double>(plan_.steps_per_epoch());
}

double Trainer::learning_rate_factor(int64_t step) const {
  return schedule_factor(job_.settings.schedule, step, warmup_steps_, total_steps_);
}

bool Trainer::is_due(const Every& every) const {
  if (every.steps == Every::kNever) return false;
  return progress_.step % (every.steps == Every::kEpoch ? plan_.steps_per_epoch() : every.steps) == 0;
}

NamedTensors Trainer::delta() const {
  NamedTensors delta = collect_delta(job_.model);
  for (auto& [name, tensor] : delta) {
    if (words_.active() && name == WordCompaction::kName) {
      const bool is_whole = words_.is_restored() && tensor.scalar_type() == torch::kFloat32;
      tensor = is_whole ? tensor.detach() : whole_words();  // of a large vocabulary the largest of all: not made twice
      continue;
    }
    const Tensor master = optimizer_.master(name);
    const auto original = originals_.find(name);
    const bool is_original = original != originals_.end() && torch::equal(original->second.rounded, tensor);
    tensor = (is_original ? original->second.value : master.defined() ? master : tensor).detach();
    tensor = tensor.to(torch::kCPU, torch::kFloat32);
  }
  return delta;
}

Tensor Trainer::whole_words() const {
  double decay = 1;
  for (int64_t step = 0; step < (kept_step_ < 0 ? progress_.step : kept_step_); ++step)
    decay *= optimizer_.decay_of(WordCompaction::kName, learning_rate_factor(step));
  return words_.scatter(optimizer_.master(WordCompaction::kName), decay);
}

void Trainer::save_checkpoint() {
  if (job_.checkpoints == nullptr) return;
  progress_.base = job_.base;
  progress_.texts = data::texts_name(job_.train);
  Checkpoint checkpoint{delta(), optimizer_.state(), at::detail::getDefaultCPUGenerator().get_state(), progress_};
  for (size_t i = 0; i < job_.methods.all().size(); ++i) {
    const auto& strategy = job_.methods.all()[i];
    if (strategy.state == nullptr) continue;
    checkpoint.progress.custom[fmt::format("{}.{}", i, strategy.name())] =
        strategy.plugin.call("save_state()", [&] { return strategy.state->save_state(); });
  }
  job_.checkpoints->save(checkpoint);
}

void Trainer::load_checkpoint(const Checkpoint& checkpoint) {
  const std::string subject = fmt::format("checkpoint of step {}", checkpoint.progress.step);
  check_origin(subject, checkpoint.progress, job_.base, data::texts_name(job_.train));
  NamedTensors values = checkpoint.delta;
  words_.gather(values);
  load_delta(job_.model, values, subject);
  remember_originals(values);
  optimizer_.load_state(checkpoint.optimizer, checkpoint.progress.step, subject);
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  generator.set_state(checkpoint.random_state);
  progress_ = checkpoint.progress;
  for (size_t i = 0; i < job_.methods.all().size(); ++i) {
    const auto& strategy = job_.methods.all()[i];
    const auto state = progress_.custom.find(fmt::format("{}.{}", i, strategy.name()));
    if (strategy.state == nullptr || state == progress_.custom.end()) continue;
    strategy.plugin.call("load_state()", [&] { strategy.state->load_state(state->second); });
  }
  job_.listener.on_message(fmt::format("resumed after step {} of {}", progress_.step, total_steps_));
}

void Trainer::keep_best() {
  if (progress_.best_index < 0 && !progress_.evaluations.empty()) {
    job_.listener.on_message(job_.methods.have_final_form()
                                 ? "no evaluation can be the best: the last step is kept"
                                 : "no evaluation was of the strategy's final form: the last step is kept");
  }
  if (progress_.best_index < 0 || job_.checkpoints == nullptr) return;
  kept_step_ = progress_.best_step();
  NamedTensors best = job_.checkpoints->best(kept_step_);
  words_.gather(best);
  load_delta(job_.model, best, "best checkpoint");
  remember_originals(best);
  for (const auto& [name, tensor] : best) {
    const Tensor master = optimizer_.master(name);
    if (master.defined()) master.copy_(tensor);
  }
}

}  // namespace plugtune::train
