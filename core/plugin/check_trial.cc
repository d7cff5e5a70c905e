// check_trial.cc - the small encoder, its batch and its training loop that `plugtune check` tries strategies with.
#include "plugin/check_trial.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include "model/loss.h"

namespace plugtune::plugin {
namespace {

constexpr int64_t kVocabulary = 100;
constexpr double kLearningRate = 5e-3;
constexpr int64_t kPlannedSteps = 100;  // of the run that a trial is the beginning of

model::BertOptions trial_options() {
  model::BertOptions options;
  options.layers = 2;
  options.hidden_size = 32;
  options.heads = 4;
  options.head_size = 8;
  options.feed_forward_size = 64;
  options.vocabulary_size = kVocabulary;
  options.max_positions = 64;
  options.hidden_dropout = 0.1;
  options.attention_dropout = 0.1;
  options.layer_norm_eps = 1e-12;
  // Large for BERT: signals of a narrow random encoder would drown in rounding with the usual 0.02.
  options.initializer_range = 0.2;
  options.activation = "gelu";
  options.labels = 2;
  options.task = TaskKind::kClassification;
  return options;
}

LoadedStrategy make_strategy(const CheckSubject& subject, const Plugin& plugin) {
  skip_without_settings(subject, plugin);
  return plugin.create_strategy(settings_view(subject, plugin, subject.options.settings));
}

}  // namespace

TrialBatch trial_batch(const std::vector<int64_t>& lengths) {
  const Layout layout(lengths);
  auto generator = at::detail::createCPUGenerator(/*seed=*/11);
  const auto random = [&](int64_t low, int64_t high, int64_t count) {
    return torch::randint(low, high, {count}, generator, torch::kInt64);
  };
  std::vector<Tensor> positions;
  for (const int64_t length : lengths)
    positions.push_back(torch::arange(length));
  TrialBatch batch;
  batch.input = {random(1, kVocabulary, layout.rows()), random(0, 2, layout.rows()), torch::cat(positions), layout};
  batch.targets = random(0, 2, layout.sequences());
  return batch;
}

const TrialBatch& ragged_batch() {
  static const TrialBatch batch = trial_batch({9, 1, 5, 12, 3, 7, 2, 8});
  return batch;
}

TrialBatch single_sequence(const TrialBatch& batch, int64_t sequence) {
  const int64_t first = batch.input.layout.offset(sequence), length = batch.input.layout.length(sequence);
  const auto rows = [&](const Tensor& all) { return all.narrow(0, first, length); };
  return {{rows(batch.input.ids), rows(batch.input.types), rows(batch.input.positions), Layout({length})},
          batch.targets.narrow(0, sequence, 1)};
}

double difference(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0) return 0;
  const Tensor left = a.detach().to(torch::kFloat64), right = b.detach().to(torch::kFloat64);
  return (left - right).abs().max().item<double>() / std::max(1.0, right.abs().max().item<double>());
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && torch::equal(a, b);
}

Trial::Trial(const CheckSubject& subject, const Plugin& plugin, uint64_t seed)
    : Trial(make_strategy(subject, plugin), subject.options.seed, seed) {
  for (const StrategyInFront& given : subject.options.in_front)
    put_in_front(make_in_front(given, subject.options));
}

Trial::Trial(LoadedStrategy strategy, uint64_t extra_seed, uint64_t seed)
    : strategy_(std::move(strategy)),
      extra_seed_(extra_seed) {
  at::set_num_threads(
      1);  // the model is far too small to share; on a busy machine threads would only wait for each other
  torch::manual_seed(seed + extra_seed_);
  model_ = std::make_shared<model::Bert>(trial_options());
  model_->reset_parameters();
  model_->freeze_base();
}

/// As one of a finished run stands there ([[strategy]] from): tuned, and then nothing but its patches.
void Trial::put_in_front(LoadedStrategy other) {
  std::swap(strategy_, other);
  apply(/*seed=*/in_front_.size() + 1);  // two of the same are not to be equal
  if (!model_->trained_base().empty())
    throw Error("--in-front: " + plugin().subject() + " trains weights of the base, and only patches stand in front");
  train(3, /*with_head=*/false);
  for (auto& [key, parameter] : model_->patch_parameters())
    parameter.set_requires_grad(false).mutable_grad().reset();
  std::swap(strategy_, other);
  in_front_.push_back(std::move(other));
}

Trial& Trial::apply(uint64_t seed) {
  torch::manual_seed(seed + extra_seed_);
  strategy_.apply(*model_);
  for (const auto& [name, parameter] : model_->own_parameters()) {
    if (model::is_head_parameter(name)) parameter.set_requires_grad(true);
  }
  return *this;
}

Tensor Trial::forward(const TrialBatch& batch) {
  return plugin().call("forward()", [&] { return model_->forward(batch.input); });
}

Tensor Trial::training_loss() {
  const TrialBatch& batch = ragged_batch();
  const Tensor loss = model::task_loss(TaskKind::kClassification, forward(batch), batch.targets, batch.targets.size(0));
  if (strategy_.auxiliary == nullptr) return loss;
  return loss + plugin().call("auxiliary_loss()", [&] { return strategy_.auxiliary->auxiliary_loss(); });
}

Tensor Trial::logits(const TrialBatch& batch) {
  torch::NoGradGuard no_grad;
  model_->eval();
  return forward(batch);
}

Tensor Trial::hidden(const TrialBatch& batch) {
  torch::NoGradGuard no_grad;
  model_->eval();
  return plugin().call("forward()", [&] { return model_->hidden(batch.input); });
}

std::vector<std::pair<std::string, Tensor>> Trial::trainables() {
  std::vector<std::pair<std::string, Tensor>> all;
  for (const auto& [name, parameter] : model_->own_parameters()) {
    if (model_->trained_base().contains(name)) all.emplace_back(name, parameter);
  }
  for (const auto& [key, parameter] : model_->patch_parameters()) {
    if (parameter.requires_grad()) all.emplace_back(key, parameter);
  }
  return all;
}

std::vector<std::pair<std::string, Tensor>> Trial::frozen() {
  std::vector<std::pair<std::string, Tensor>> all;
  for (const auto& [name, parameter] : model_->own_parameters()) {
    if (!model_->trained_base().contains(name) && !model::is_head_parameter(name)) all.emplace_back(name, parameter);
  }
  for (const auto& [key, parameter] : model_->patch_parameters()) {
    if (!parameter.requires_grad()) all.emplace_back(key, parameter);
  }
  return all;
}

void Trial::train(int steps, bool with_head, const std::function<void()>& each) {
  std::vector<std::pair<std::string, Tensor>> parameters = trainables();
  for (const auto& [name, parameter] : model_->own_parameters()) {
    if (with_head && model::is_head_parameter(name)) parameters.emplace_back(name, parameter);
  }
  if (parameters.empty()) return;
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (const auto& [name, parameter] : parameters) {
    const ParamRule rule = strategy_.rule(name);
    groups.emplace_back(std::vector<Tensor>{parameter},
                        std::make_unique<torch::optim::AdamWOptions>(
                            torch::optim::AdamWOptions(kLearningRate * rule.learning_rate_scale)
                                .weight_decay(rule.weight_decay.value_or(0.0))));
  }
  torch::optim::AdamW optimizer(std::move(groups), torch::optim::AdamWOptions(kLearningRate));

  strategy_.begin({.steps = kPlannedSteps, .steps_per_epoch = kPlannedSteps, .warmup_steps = 0});
  model_->train();
  for (int step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    const Tensor loss = training_loss();
    plugin().call("backward()", [&] { loss.backward(); });
    if (strategy_.observer != nullptr) {
      plugin().call("on_backward_end()", [&] { strategy_.observer->on_backward_end(step); });
    }
    if (each) each();
    optimizer.step();
    if (strategy_.observer != nullptr) {
      plugin().call("on_step_end()", [&] { strategy_.observer->on_step_end(step); });
    }
    strategy_.has_final_form();  // for what it may throw
  }
}

double Trial::loss() {
  const TrialBatch& batch = ragged_batch();
  return model::task_loss(TaskKind::kClassification, logits(batch), batch.targets, batch.targets.size(0))
      .item<double>();
}

LoadedStrategy make_in_front(const StrategyInFront& given, const CheckOptions& options) {
  const std::string& name = given.plugin.name();
  return given.plugin.create_strategy(
      ConfigView(given.settings, {"--in-front: " + name, "strategy '" + name + "'", "", options.open_run}));
}

SourceRun sample_run(const Plugin& plugin, uint64_t seed) {
  const CheckOptions defaults;
  const CheckSubject subject{plugin.path(), defaults};
  const ConfigView settings = settings_view(subject, plugin, defaults.settings);
  plugin.create_strategy(settings);  // for what its defaults are
  Trial trial(subject, plugin);
  trial.apply(seed);
  trial.train(3);
  SourceRun run{plugin.name(), {{plugin.name(), plugin.version(), settings.resolved()}}, {}};
  for (const auto& [key, tensor] : delta_copy(trial))
    run.tensors.emplace_back(key, tensor);
  return run;
}

std::map<std::string, Tensor> delta_copy(Trial& trial) {
  std::map<std::string, Tensor> copies;
  for (const auto& [key, tensor] : train::collect_delta(trial.model()))
    copies.emplace(key, tensor.detach().clone());
  return copies;
}

}  // namespace plugtune::plugin
