#pragma once
// peaks.h - what the machine reaches at best, measured once in the process of a benchmark.

#include <torch/types.h>

#include <algorithm>
#include <chrono>

namespace plugtune::kernels {

/// The most work a second of some runs. @param work  of one run
template <class Run>
double best_rate(int runs, double work, const Run& run) {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  for (int i = 0; i < runs; ++i) {
    const auto begin = Clock::now();
    run();
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    best = std::max(best, work / seconds.count());
  }
  return best;
}

/// FLOP a second of ATen's product of two 1536 x 1536 matrices.
inline double matrix_peak(torch::ScalarType type) {
  const auto measure = [](torch::ScalarType of) {
    constexpr int64_t kSize = 1536;
    const torch::Tensor a = torch::randn({kSize, kSize}).to(of), b = a.t().contiguous();
    torch::Tensor out = torch::mm(a, b);
    return best_rate(60, 2.0 * kSize * kSize * kSize, [&] { torch::mm_out(out, a, b); });
  };
  static const double kFloatPeak = measure(torch::kFloat), kBf16Peak = measure(torch::kBFloat16);
  return type == torch::kBFloat16 ? kBf16Peak : kFloatPeak;
}

/// Bytes a second, read and written, of a copy that no cache holds.
inline double copy_peak() {
  constexpr int64_t kNumbers = 32'000'000;
  static const torch::Tensor kFrom = torch::zeros({kNumbers}), kTo = torch::zeros({kNumbers});
  static const double kPeak = best_rate(20, 2.0 * kNumbers * sizeof(float), [] { kTo.copy_(kFrom); });
  return kPeak;
}

}  // namespace plugtune::kernels
