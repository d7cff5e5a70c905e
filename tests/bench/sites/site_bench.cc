// site_bench.cc - what it costs that the encoder is made of sites: a call through a bare site beside the kernel itself, through a site
// with one patch that only calls what it wraps beside a bare one; and whole training steps with such patches beside steps without.
//
//   build/bench/tests/site_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=15
//
// Calls: rows, width of a square layer; a layer of one row has next to no arithmetic, so that the call itself is seen. Steps: full
// fine-tuning of the small model (4 x 256, 8,000 words), 32 texts of 25 tokens.
#include <benchmark/benchmark.h>

#include <numeric>

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

/// A square layer and its input.
struct Layer {
  model::BertLinear site;
  Tensor x;
  torch::NoGradGuard no_grad;

  explicit Layer(const benchmark::State& state)
      : site({"layer", Role::kQuery, 0}, state.range(1), state.range(1)),
        x(torch::randn({state.range(0), state.range(1)})) {
    site.weight.normal_(0.0, 0.02);
  }
};

void BM_Kernel(benchmark::State& state) {
  Layer layer(state);
  for (auto _ : state)
    benchmark::DoNotOptimize(kernels::linear(layer.x, layer.site.weight, layer.site.bias));
}

void BM_BareSite(benchmark::State& state) {
  Layer layer(state);
  for (auto _ : state)
    benchmark::DoNotOptimize(layer.site.forward(layer.x));
}

void BM_PatchedSite(benchmark::State& state) {
  Layer layer(state);
  layer.site.attach("no-op", std::make_shared<NoOp>());
  for (auto _ : state)
    benchmark::DoNotOptimize(layer.site.forward(layer.x));
}

BENCHMARK(BM_Kernel)->Args({1, 16})->Args({800, 256});
BENCHMARK(BM_BareSite)->Args({1, 16})->Args({800, 256});
BENCHMARK(BM_PatchedSite)->Args({1, 16})->Args({800, 256});

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

void step(benchmark::State& state, train::Methods methods) {
  const auto bert = small_model();
  methods.apply(*bert);
  for (const auto& [name, parameter] : bert->base_parameters())
    bert->train_base(name);
  for (auto& [name, parameter] : bert->own_parameters())
    if (model::is_head_parameter(name)) parameter.set_requires_grad(true);
  train::FlatOptimizer optimizer(train::trainable_parameters(*bert), {},
                                 [](const std::string&) { return ParamRule(); });
  const data::Batch batch = batch_of_reviews();
  for (auto _ : state) {
    methods.backward(model::task_loss(TaskKind::kClassification, bert->forward(batch.input), batch.targets, 32));
    optimizer.step(1e-3, 1 / std::max(1.0, optimizer.grad_norm()));
    optimizer.zero_grad();
  }
}

void BM_Step_Bare(benchmark::State& state) { step(state, train::Methods()); }
void BM_Step_OnePatch(benchmark::State& state) { step(state, no_op("1")); }
void BM_Step_PatchOnEveryLinear(benchmark::State& state) { step(state, no_op("")); }

BENCHMARK(BM_Step_Bare)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(BM_Step_OnePatch)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(BM_Step_PatchOnEveryLinear)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace plugtune

BENCHMARK_MAIN();
