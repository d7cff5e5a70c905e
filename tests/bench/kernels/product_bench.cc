// product_bench.cc - the matrix products of a training step as this program computes them, beside ATen's.
//
//   build/release/tests/product_bench --benchmark_enable_random_interleaving=true --benchmark_repetitions=9
//
// GFLOP/s; "share" is of what ATen reached in a product of two 1536 x 1536 matrices of that type when the program started. A training
// step never has the same number of rows twice, so the number of rows changes in each iteration.
#include <benchmark/benchmark.h>
#include <torch/types.h>

#include "kernels/mixed_product.h"
#include "kernels/thin_product.h"
#include "peaks.h"

namespace plugtune::kernels {
namespace {

/// Between 450 and 555 rows, another number each time.
int64_t rows_of(int64_t iteration) { return 450 + iteration * 37 % 106; }

void tell(benchmark::State& state, double flop, torch::ScalarType type) {
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(flop / 1e9, Counter::kIsRate);
  state.counters["share"] = Counter(flop / matrix_peak(type), Counter::kIsRate);
}

enum Product { kForward, kInputGradient, kWeightGradient };

/// x (N,in), weight (out,in) and the gradient of what they make (N,out), with one more row than any iteration needs.
struct Layer {
  int64_t in, out;
  Tensor x, weight, gradient;
  Layer(const benchmark::State& state, torch::ScalarType type) : in(state.range(1)), out(state.range(2)) {
    x = torch::randn({556, in}).to(type);
    weight = torch::randn({out, in}).to(type);
    gradient = torch::randn({556, out}).to(type);
  }
  double flop(int64_t rows) const { return 2.0 * static_cast<double>(rows * in * out); }
};

/// What the products are: a (m,k) and b (k,n).
std::pair<Tensor, Tensor> factors(const Layer& layer, Product product, int64_t rows) {
  const Tensor x = layer.x.narrow(0, 0, rows), gradient = layer.gradient.narrow(0, 0, rows);
  switch (product) {
    case kForward:
      return {x, layer.weight.t()};
    case kInputGradient:
      return {gradient, layer.weight};
    default:
      return {gradient.t(), x};
  }
}

template <class Multiply>
void products(benchmark::State& state, torch::ScalarType type, const Multiply& multiply) {
  const torch::NoGradGuard no_grad;
  const Layer layer(state, type);
  double flop = 0;
  int64_t iteration = 0;
  for (auto _ : state) {
    const int64_t rows = rows_of(iteration++);
    const auto [a, b] = factors(layer, static_cast<Product>(state.range(0)), rows);
    multiply(a, b);
    flop += layer.flop(rows);
  }
  tell(state, flop, type);
}

void fp32_aten(benchmark::State& state) {
  products(state, torch::kFloat, [](const Tensor& a, const Tensor& b) { torch::mm(a, b); });
}
void bf16_aten(benchmark::State& state) {
  products(state, torch::kBFloat16, [](const Tensor& a, const Tensor& b) { torch::mm(a, b); });
}
/// The gradient of a weight is added in fp32, the others are rounded.
void bf16_ours(benchmark::State& state) {
  if (!has_mixed_product(torch::empty({1, 1}, torch::kBFloat16))) return state.SkipWithError("libtorch has no MKL");
  const bool is_sum = state.range(0) == kWeightGradient;
  Tensor sum = is_sum ? torch::zeros({state.range(2), state.range(1)}) : Tensor();
  products(state, torch::kBFloat16, [&](const Tensor& a, const Tensor& b) {
    if (is_sum) return mixed_product(sum, a, b, /*add=*/true);
    rounded_products(torch::empty({a.size(0), b.size(1)}, a.options()), {{a, b}}, {});
  });
}

/// Weighted sums of a few rows for each token: a (N,1,few) times b (N,few,hidden), as an attention over modules does.
template <class Multiply>
void weighted_sums(benchmark::State& state, torch::ScalarType type, const Multiply& multiply) {
  const torch::NoGradGuard no_grad;
  const int64_t rows = 512, few = state.range(0), hidden = state.range(1);
  const Tensor a = torch::randn({rows, 1, few}).to(type), b = torch::randn({rows, few, hidden}).to(type);
  for (auto _ : state)
    multiply(a, b);
  tell(state, 2.0 * static_cast<double>(rows * few * hidden * state.iterations()), type);
}

Tensor aten_bmm(const Tensor& a, const Tensor& b) { return torch::bmm(a, b); }

void thin_fp32_aten(benchmark::State& state) { weighted_sums(state, torch::kFloat, aten_bmm); }
void thin_fp32_ours(benchmark::State& state) { weighted_sums(state, torch::kFloat, thin_product); }
void thin_bf16_aten(benchmark::State& state) { weighted_sums(state, torch::kBFloat16, aten_bmm); }
void thin_bf16_ours(benchmark::State& state) { weighted_sums(state, torch::kBFloat16, thin_product); }

/// W x + b + B A x, forward and backward to x, A and B. Merged: (W + B A) x + b, and no more work is counted.
template <class Compute>
void low_rank(benchmark::State& state, const Compute& compute) {
  const int64_t rows = state.range(0), in = state.range(1), out = state.range(2), rank = state.range(3);
  const auto trains = [](torch::IntArrayRef sizes) { return torch::randn(sizes).set_requires_grad(true); };
  const Tensor weight = torch::randn({out, in}), bias = torch::randn({out}), gradient = torch::randn({rows, out});
  const Tensor x = trains({rows, in}), a = trains({rank, in}), b = trains({out, rank});
  for (auto _ : state) {
    compute(x, weight, bias, a, b).backward(gradient);
    for (const Tensor& leaf : {x, a, b})
      leaf.mutable_grad() = Tensor();
  }
  const int64_t least = 4 * rows * in * out + 6 * rows * rank * (in + out);
  tell(state, static_cast<double>(least * state.iterations()), torch::kFloat);
}

void low_rank_apart(benchmark::State& state) {
  low_rank(state, [](const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& a, const Tensor& b) {
    return torch::addmm(torch::linear(x, weight, bias), torch::linear(x, a), b.t());
  });
}
void low_rank_merged(benchmark::State& state) {
  low_rank(state, [](const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& a, const Tensor& b) {
    return torch::linear(x, torch::addmm(weight, b, a), bias);
  });
}

void layers(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"product", "in", "out"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  for (const int product : {kForward, kInputGradient, kWeightGradient})
    bench->Args({product, 256, 256})->Args({product, 256, 1024})->Args({product, 768, 768})->Args({product, 768, 3072});
}
void thin(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"few", "hidden"})->Unit(benchmark::kMicrosecond)->UseRealTime()->Args({4, 256})->Args({4, 768});
}
void updates(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "in", "out", "rank"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  for (const int rank : {8, 32, 64, 128})
    bench->Args({800, 256, 256, rank})->Args({800, 256, 1024, rank})->Args({800, 768, 768, rank});
}
BENCHMARK(low_rank_apart)->Apply(updates);
BENCHMARK(low_rank_merged)->Apply(updates);
BENCHMARK(fp32_aten)->Apply(layers);
BENCHMARK(bf16_aten)->Apply(layers);
BENCHMARK(bf16_ours)->Apply(layers);
BENCHMARK(thin_fp32_aten)->Apply(thin);
BENCHMARK(thin_fp32_ours)->Apply(thin);
BENCHMARK(thin_bf16_aten)->Apply(thin);
BENCHMARK(thin_bf16_ours)->Apply(thin);

}  // namespace
}  // namespace plugtune::kernels

BENCHMARK_MAIN();
