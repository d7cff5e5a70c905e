// site_bench.cc - what it costs that the encoder is made of sites: a call through a bare site beside the kernel itself, through a site
// with one patch that only calls what it wraps beside a bare one; and whole training steps with such patches beside steps without.
//
//   OMP_NUM_THREADS=1 build/bench/tests/site_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=51
//
// Call: a site around nothing, so that the call itself is seen. Layer: 800 rows through 256 x 256. Step: full fine-tuning of the small
// model (4 x 256, 8,000 words), 32 texts of 25 tokens.
#include <ATen/record_function.h>
#include <benchmark/benchmark.h>

#include <numeric>
#include <optional>

#include "kernels/linear.h"
#include "model/bert_layer.h"
#include "model/loss.h"
#include "plugin/loader.h"
#include "train/flat_optimizer.h"
#include "train/methods.h"
#include "train/trainer.h"

namespace plugtune {
namespace {

class NoOp final : public LinearPatch {
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x); }
};

/// Stands for a kernel that takes no time.
[[gnu::noinline]] Tensor no_kernel(const Tensor& x) { return x; }

/// A layer that computes nothing, so that the call itself is seen; with its span, as model::BertLinear.
class Empty final : public LinearSite {
 public:
  Empty() : LinearSite({"layer", Role::kQuery, 0}, 1, 1) {}

 private:
  Tensor base(const Tensor& x) override {
    RECORD_USER_SCOPE_WITH_INPUTS(info().path, std::vector<c10::IValue>{x});
    return no_kernel(x);
  }
};

void BM_Call_Kernel(benchmark::State& state) {
  const Tensor x = torch::ones({1, 1});
  for (auto _ : state)
    benchmark::DoNotOptimize(no_kernel(x));
}

void BM_Call_Site(benchmark::State& state) {
  Empty site;
  if (state.range(0) == 1) site.attach("no-op", std::make_shared<NoOp>());
  LinearSite& called = site;
  benchmark::DoNotOptimize(called);
  const Tensor x = torch::ones({1, 1});
  for (auto _ : state)
    benchmark::DoNotOptimize(called.forward(x));
}

/// The rows of a batch through a layer of the small model.
void BM_Layer_Kernel(benchmark::State& state) {
  const torch::NoGradGuard no_grad;
  model::BertLinear site({"layer", Role::kQuery, 0}, 256, 256);
  const Tensor x = torch::randn({800, 256});
  for (auto _ : state)
    benchmark::DoNotOptimize(kernels::linear(x, site.weight, site.bias));
}

void BM_Layer_Site(benchmark::State& state) {
  const torch::NoGradGuard no_grad;
  model::BertLinear site({"layer", Role::kQuery, 0}, 256, 256);
  if (state.range(0) == 1) site.attach("no-op", std::make_shared<NoOp>());
  const Tensor x = torch::randn({800, 256});
  for (auto _ : state)
    benchmark::DoNotOptimize(site.forward(x));
}

BENCHMARK(BM_Call_Kernel);
BENCHMARK(BM_Call_Site)->ArgName("patches")->Arg(0)->Arg(1);
BENCHMARK(BM_Layer_Kernel)->UseRealTime();
BENCHMARK(BM_Layer_Site)->ArgName("patches")->Arg(0)->Arg(1)->UseRealTime();

/// The strategy of tests/plugins/no-op, as an experiment file would make it. @param layers  of the query that it wraps; "": every linear layer
train::Methods no_op(const std::string& layers) {
  ConfigNode settings{ConfigNode::Table{}};
  if (!layers.empty()) {
    settings.set("targets", {ConfigNode::Array{{std::string("query")}}});
    settings.set("layers", {layers});
  }
  plugin::SearchPath search;
  search.plugin_path = {std::string(PLUGTUNE_BINARY_DIR) + "/tests/no-op"};
  const ConfigView view(settings, {"strategy", "strategy 'no-op'", "", {}});
  std::vector<plugin::LoadedStrategy> loaded;
  loaded.push_back(plugin::load(plugin::Kind::kStrategy, "no-op", search).create_strategy(view));
  return train::Methods(std::move(loaded));
}

std::shared_ptr<model::Bert> small_model() {
  model::BertOptions options;
  options.layers = 4;
  options.hidden_size = 256;
  options.heads = 4;
  options.head_size = 64;
  options.feed_forward_size = 1024;
  options.vocabulary_size = 8000;
  options.max_positions = 128;
  options.layer_norm_eps = 1e-12;
  options.initializer_range = 0.02;
  options.activation = "gelu";
  options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0.1;
  options.labels = 2;
  torch::manual_seed(1);
  auto bert = std::make_shared<model::Bert>(options);
  bert->reset_parameters();
  bert->train();
  return bert;
}

data::Batch batch_of_reviews() {
  constexpr int64_t kTexts = 32, kLength = 25, kWords = 8000;
  data::EncodedSplit split;
  split.task.labels = {"a", "b"};
  split.texts.offsets = {0};
  const Tensor ids = torch::randint(kWords, {kTexts * kLength}, torch::kInt32);
  split.texts.ids.assign(ids.data_ptr<int32_t>(), ids.data_ptr<int32_t>() + ids.numel());
  for (int64_t i = 0; i < kTexts; ++i) {
    split.texts.offsets.push_back((i + 1) * kLength);
    split.texts.first_lengths.push_back(kLength);
    split.labels.push_back(i % 2);
  }
  std::vector<int64_t> all(kTexts);
  std::iota(all.begin(), all.end(), 0);
  return data::make_batch(split, all);
}

/// A training that goes on from one repetition to the next.
class Training {
 public:
  explicit Training(train::Methods methods) : methods_(std::move(methods)) {
    methods_.apply(*bert_);
    for (const auto& [name, parameter] : bert_->base_parameters())
      bert_->train_base(name);
    for (auto& [name, parameter] : bert_->own_parameters())
      if (model::is_head_parameter(name)) parameter.set_requires_grad(true);
    optimizer_.emplace(train::trainable_parameters(*bert_), train::TrainSettings(),
                       [](const std::string&) { return ParamRule(); });
  }

  void step() {
    methods_.backward(model::task_loss(TaskKind::kClassification, bert_->forward(batch_.input), batch_.targets,
                                       batch_.step_examples));
    optimizer_->step(1e-3, 1 / std::max(1.0, optimizer_->grad_norm()));
    optimizer_->zero_grad();
  }

 private:
  train::Methods methods_;
  std::shared_ptr<model::Bert> bert_ = small_model();
  data::Batch batch_ = batch_of_reviews();
  std::optional<train::FlatOptimizer> optimizer_;
};

void measure(benchmark::State& state, Training& training) {
  for (auto _ : state)
    training.step();
}

void BM_Step_Bare(benchmark::State& state) {
  static Training training{train::Methods()};
  measure(state, training);
}
void BM_Step_OnePatch(benchmark::State& state) {
  static Training training(no_op("1"));
  measure(state, training);
}
void BM_Step_PatchOnEveryLinear(benchmark::State& state) {
  static Training training(no_op(""));
  measure(state, training);
}

// Few steps at a time: in random order, so that a change of the machine meets all three.
BENCHMARK(BM_Step_Bare)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(BM_Step_OnePatch)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(BM_Step_PatchOnEveryLinear)->Unit(benchmark::kMillisecond)->Iterations(3);

}  // namespace
}  // namespace plugtune

BENCHMARK_MAIN();
