// bench_profile.cc - the profile's options, the memory's speed, and what is printed.
#include "app/bench_profile.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <chrono>

namespace plugtune::app {
namespace {

/// Bytes per second of copying between two buffers that fit few caches, those read and those written: of the fastest piece, because
/// other programs interrupt longer ones.
double memory_bandwidth() {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kPieces = 16, kBytes = int64_t{8} << 20;
  constexpr std::chrono::milliseconds kTime(500);
  const Tensor from = torch::ones({kPieces, kBytes}, torch::kUInt8);
  Tensor to = torch::ones({kPieces, kBytes}, torch::kUInt8);
  double best = 0;
  int64_t piece = 0;
  for (const auto start = Clock::now(); Clock::now() - start < kTime; piece = (piece + 1) % kPieces) {
    const auto begin = Clock::now();
    to[piece].copy_(from[piece]);
    best = std::max(best, 2.0 * kBytes / std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace

void BenchProfile::declare(CommandLine& line) {
  line.flag("profile", "where a step goes, by site, beside what each could be at least")
      .flag("each-layer", "with --profile: a line for each layer, instead of one for all")
      .value("trace", "FILE", "write the measured steps for chrome://tracing or Perfetto; profiles too");
}

BenchProfile::BenchProfile(const CommandLine& line)
    : trace_path_(line.text("trace")),
      each_layer_(line.has("each-layer")) {
  if (!line.has("profile") && trace_path_.empty()) {
    if (each_layer_) throw Error("bench: --each-layer is of --profile; give both");
    return;
  }
  if (!trace_path_.empty()) trace_ = std::make_unique<formats::AtomicFile>(trace_path_, "nothing was measured");
  profiler_ = std::make_unique<train::Profiler>();
}

void BenchProfile::start() {
  if (is_asked_for()) profiler_->start();
}

void BenchProfile::finish(const model::Bert& model, double matrix_peak, int64_t element_size) {
  if (!is_asked_for()) return;
  profiler_->stop();
  const train::Profile& profile = profiler_->profile();
  if (trace_ != nullptr) {
    trace_->output().write(report::chrome_trace(profile));
    trace_->commit();
  }
  limits_ = {matrix_peak, memory_bandwidth()};
  rows_ = report::profile_rows(profile, model, limits_, element_size, each_layer_);
  const auto steps = static_cast<double>(profile.steps);
  spans_per_step_ = static_cast<double>(profile.events.size()) / steps;
  step_ms_ = static_cast<double>(profile.nanoseconds) / 1e6 / steps;
  nanoseconds_per_span_ = train::Profiler::nanoseconds_per_span();
}

std::string BenchProfile::text() const {
  if (!is_asked_for()) return "";
  const double own_ms = spans_per_step_ * nanoseconds_per_span_ / 1e6;
  std::string out = fmt::format(
      "\n{}\n"
      "floor: at {:.0f} GFLOP/s and {:.1f} GB/s, whichever takes longer\n"
      "profiling: {:.0f} spans a step, {:.3f} ms of it ({:.2f} %)\n",
      report::profile_table(rows_), limits_.flop_per_second / 1e9, limits_.bytes_per_second / 1e9, spans_per_step_,
      own_ms, 100 * own_ms / step_ms_);
  if (!trace_path_.empty()) out += fmt::format("trace: {}\n", trace_path_);
  return out;
}

nlohmann::ordered_json BenchProfile::json() const {
  nlohmann::ordered_json spans = nlohmann::ordered_json::array();
  for (const report::ProfileRow& row : rows_)
    spans.push_back({{"span", row.span},
                     {"calls", row.calls},
                     {"forward_ms", row.forward_ms},
                     {"backward_ms", row.backward_ms},
                     {"ms", row.ms},
                     {"share", row.share},
                     {"gigaflop", row.gigaflop},
                     {"floor_ms", row.floor_ms}});
  return {{"ms_step", step_ms_},
          {"memory_gigabytes_per_second", limits_.bytes_per_second / 1e9},
          {"spans_per_step", spans_per_step_},
          {"profiling_ms", spans_per_step_ * nanoseconds_per_span_ / 1e6},
          {"spans", spans}};
}

}  // namespace plugtune::app
