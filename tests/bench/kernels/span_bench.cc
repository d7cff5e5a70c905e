// span_bench.cc - each fused span, forward and backward, beside the same work in ATen's operations as a padded model does it.
//
//   build/release/tests/span_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
//
// Arguments: heads, head size, order (0 = every sentence of 25 tokens, as length-grouped batches nearly are; 1 = lengths of
// a uniform shuffle of NSMC: median 19, p90 49). 32 sentences. "per_token" is the time of one real token, "share" of the machine's
// best: attention's arithmetic of its matrix peak, of the others the bytes that real rows must move, of a copy's. Both of real
// tokens: what a padded model does beside them counts for nothing.
#include <benchmark/benchmark.h>
#include <torch/autograd.h>
#include <torch/nn/functional.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <cmath>

#include "kernels/activation.h"
#include "kernels/attention.h"
#include "kernels/embedding.h"
#include "kernels/junction.h"
#include "kernels/optimizer.h"
#include "peaks.h"

namespace plugtune::kernels {
namespace {

constexpr int64_t kSentences = 32;
constexpr double kDropout = 0.1;

/// Inverse of the normal distribution by bisection; a benchmark's start-up is in no hurry.
double normal_quantile(double p) {
  double low = -8, high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return low;
}

/// One batch: packed rows, and the same with padding.
struct Batch {
  std::vector<int64_t> lengths;
  int64_t heads, head_size;
  explicit Batch(const benchmark::State& state) : heads(state.range(0)), head_size(state.range(1)) {
    for (int64_t i = 0; i < kSentences; ++i) {
      // Log-normal with the median and p90 of NSMC's word pieces.
      const double length = 19 * std::exp(0.739 * normal_quantile((static_cast<double>(i) + 0.5) / kSentences));
      lengths.push_back(state.range(2) == 0 ? 25 : std::clamp<int64_t>(std::lround(length), 3, 128));
    }
  }
  Layout layout() const { return Layout(lengths); }
  int64_t hidden() const { return heads * head_size; }
  int64_t rows() const { return layout().rows(); }
  int64_t padded_rows() const { return kSentences * layout().longest(); }
  /// Of attention at the matrix peak: scores and sums of values forward, twice as much backward.
  double attention_seconds() const {
    double pairs = 0;
    for (const int64_t length : lengths)
      pairs += static_cast<double>(length * length);
    return 12 * static_cast<double>(hidden()) * pairs / matrix_peak(torch::kFloat);
  }
  /// Of so many passes over rows of `width` numbers, as fast as a copy.
  double pass_seconds(int64_t passes, int64_t width) const {
    return static_cast<double>(passes * rows() * width) * sizeof(float) / copy_peak();
  }
};

Tensor leaf(torch::IntArrayRef sizes) { return torch::randn(sizes).requires_grad_(); }

void tell_share(benchmark::State& state, double best_seconds) {
  state.counters["share"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * best_seconds, benchmark::Counter::kIsRate);
}

/// @param best_seconds  what the work takes at the machine's best
void forward_and_backward(benchmark::State& state, int64_t tokens, double best_seconds,
                          const std::vector<Tensor>& inputs, const std::function<Tensor()>& f) {
  const Tensor direction = torch::randn_like(f());
  for (auto _ : state)
    torch::autograd::grad({f()}, inputs, {direction});
  state.counters["per_token"] = benchmark::Counter(static_cast<double>(state.iterations() * tokens),
                                                   benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  tell_share(state, best_seconds);
}

void attention_fused(benchmark::State& state) {
  const Batch batch(state);
  const Tensor qkv = leaf({batch.rows(), 3 * batch.hidden()});
  const Layout layout = batch.layout();
  forward_and_backward(state, batch.rows(), batch.attention_seconds(), {qkv}, [&] {
    const auto [q, k, v] = split_qkv(qkv, batch.heads);
    return attention(q, k, v, layout, layout, draw_dropout(kDropout, true));
  });
}

void attention_aten(benchmark::State& state) {
  const Batch batch(state);
  const int64_t longest = batch.layout().longest();
  const auto projected = [&] { return leaf({kSentences, longest, batch.hidden()}); };
  const std::vector<Tensor> qkv = {projected(), projected(), projected()};
  const Tensor lengths = torch::tensor(batch.lengths).view({-1, 1, 1, 1});
  const Tensor is_real = torch::arange(longest) < lengths;  // (B, 1, 1, T)
  forward_and_backward(state, batch.rows(), batch.attention_seconds(), qkv, [&] {
    const auto heads = [&](const Tensor& x) { return x.view({kSentences, longest, batch.heads, -1}).transpose(1, 2); };
    return at::scaled_dot_product_attention(heads(qkv[0]), heads(qkv[1]), heads(qkv[2]), is_real, kDropout)
        .transpose(1, 2)
        .reshape({-1, batch.hidden()});
  });
}

void junction_fused(benchmark::State& state) {
  const Batch batch(state);
  const std::vector<Tensor> in = {leaf({batch.rows(), batch.hidden()}), leaf({batch.rows(), batch.hidden()}),
                                  leaf({batch.hidden()}), leaf({batch.hidden()})};
  forward_and_backward(state, batch.rows(), batch.pass_seconds(6, batch.hidden()), in, [&] {
    return dropout_residual_layer_norm(in[0], in[1], in[2], in[3], 1e-12, draw_dropout(kDropout, true));
  });
}

void junction_aten(benchmark::State& state) {
  const Batch batch(state);
  const std::vector<Tensor> in = {leaf({batch.padded_rows(), batch.hidden()}),
                                  leaf({batch.padded_rows(), batch.hidden()}), leaf({batch.hidden()}),
                                  leaf({batch.hidden()})};
  forward_and_backward(state, batch.rows(), batch.pass_seconds(6, batch.hidden()), in, [&] {
    return torch::layer_norm(torch::dropout(in[0], kDropout, true) + in[1], {batch.hidden()}, in[2], in[3], 1e-12);
  });
}

void gelu_fused(benchmark::State& state) {
  const Batch batch(state);
  const std::vector<Tensor> in = {leaf({batch.rows(), 4 * batch.hidden()}), leaf({4 * batch.hidden()})};
  forward_and_backward(state, batch.rows(), batch.pass_seconds(5, 4 * batch.hidden()), in,
                       [&] { return bias_gelu(in[0], in[1]); });
}

void gelu_aten(benchmark::State& state) {
  const Batch batch(state);
  const std::vector<Tensor> in = {leaf({batch.padded_rows(), 4 * batch.hidden()}), leaf({4 * batch.hidden()})};
  forward_and_backward(state, batch.rows(), batch.pass_seconds(5, 4 * batch.hidden()), in,
                       [&] { return torch::gelu(in[0] + in[1]); });
}

/// Rows of words, their types and positions, the three tables' gradients included.
struct Embedding {
  Tensor words, types, positions;
  std::vector<Tensor> tables;  // of types and positions; then weight and bias
  Embedding(int64_t rows, int64_t hidden)
      : words(leaf({rows, hidden})),
        types(torch::zeros({rows}, torch::kInt64)),
        positions(torch::arange(rows).remainder(25)),
        tables({leaf({2, hidden}), leaf({512, hidden}), leaf({hidden}), leaf({hidden})}) {}
  std::vector<Tensor> inputs() const { return {words, tables[0], tables[1], tables[2], tables[3]}; }
};

void embedding_fused(benchmark::State& state) {
  const Batch batch(state);
  const Embedding e(batch.rows(), batch.hidden());
  forward_and_backward(state, batch.rows(), batch.pass_seconds(5, batch.hidden()), e.inputs(), [&] {
    return embedding_layer_norm(e.words, e.types, e.positions, e.tables[0], e.tables[1], e.tables[2], e.tables[3],
                                1e-12, draw_dropout(kDropout, true));
  });
}

void embedding_aten(benchmark::State& state) {
  const Batch batch(state);
  const Embedding e(batch.padded_rows(), batch.hidden());
  forward_and_backward(state, batch.rows(), batch.pass_seconds(5, batch.hidden()), e.inputs(), [&] {
    const Tensor sum = e.words + torch::embedding(e.tables[0], e.types) + torch::embedding(e.tables[1], e.positions);
    return torch::dropout(torch::layer_norm(sum, {batch.hidden()}, e.tables[2], e.tables[3], 1e-12), kDropout, true);
  });
}

/// The norm reads the gradient; the update reads four arrays and writes three.
void tell_adamw_share(benchmark::State& state) {
  tell_share(state, 8 * static_cast<double>(state.range(0)) * sizeof(float) / copy_peak());
}

void adamw_fused(benchmark::State& state) {
  const int64_t n = state.range(0);
  Tensor params = torch::randn({n}), grads = torch::randn({n}), exp_avg = torch::zeros({n}),
         exp_avg_sq = torch::zeros({n});
  int64_t step = 0;
  for (auto _ : state) {
    const double norm = std::sqrt(sum_of_squares(grads));
    adamw(params, grads, exp_avg, exp_avg_sq, {{0, n, 1e-4, 0.01}}, 0.9, 0.999, 1e-8, ++step, std::min(1.0, 1 / norm),
          nullptr);
  }
  tell_adamw_share(state);
}

void adamw_aten(benchmark::State& state) {
  Tensor params = leaf({state.range(0)});
  params.mutable_grad() = torch::randn_like(params);
  torch::optim::AdamW optimizer({params}, torch::optim::AdamWOptions(1e-4).weight_decay(0.01));
  for (auto _ : state) {
    torch::nn::utils::clip_grad_norm_(params, 1.0);
    optimizer.step();
  }
  tell_adamw_share(state);
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"heads", "size", "order"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  for (const int order : {0, 1})
    bench->Args({4, 64, order})->Args({8, 32, order})->Args({12, 64, order});
}
BENCHMARK(attention_fused)->Apply(shapes);
BENCHMARK(attention_aten)->Apply(shapes);
BENCHMARK(junction_fused)->Apply(shapes);
BENCHMARK(junction_aten)->Apply(shapes);
BENCHMARK(gelu_fused)->Apply(shapes);
BENCHMARK(gelu_aten)->Apply(shapes);
BENCHMARK(embedding_fused)->Apply(shapes);
BENCHMARK(embedding_aten)->Apply(shapes);
BENCHMARK(adamw_fused)->Arg(4'000'000)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(adamw_aten)->Arg(4'000'000)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace plugtune::kernels

BENCHMARK_MAIN();
