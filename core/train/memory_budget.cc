// memory_budget.cc - what a token of a training takes, counted at the allocator; trial passes that leave no trace.
#include "train/memory_budget.h"

#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <numeric>

#include "plugtune/error.h"

namespace plugtune::train {
namespace {

/// libtorch and what it keeps for itself, the program, the tokenizer: measured with a model of no size, rounded up.
constexpr int64_t kProgramBytes = 320'000'000;
/// Tokens of the two passes, or a little more: a text is never cut.
constexpr int64_t kFewTokens = 128, kMoreTokens = 512;

/// The most bytes that tensors took at once while it was installed.
class AllocationPeak final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
    const int64_t now = now_ += bytes;
    int64_t peak = peak_;
    while (now > peak && !peak_.compare_exchange_weak(peak, now)) {
    }
  }
  bool memoryProfilingEnabled() const override { return true; }
  int64_t bytes() const { return peak_; }

 private:
  std::atomic<int64_t> now_ = 0, peak_ = 0;
};

std::vector<int64_t> longest_first(const data::EncodedSplit& split) {
  std::vector<int64_t> order(split.size());
  std::iota(order.begin(), order.end(), 0);
  const auto enough = std::min<ptrdiff_t>(kMoreTokens, static_cast<ptrdiff_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + enough, order.end(), [&](int64_t a, int64_t b) {
    const int64_t of_a = split.length(static_cast<size_t>(a)), of_b = split.length(static_cast<size_t>(b));
    return of_a != of_b ? of_a > of_b : a < b;
  });
  order.resize(static_cast<size_t>(enough));
  return order;
}

/// The first of `longest`, `tokens` or a little more.
data::Batch batch_of(const data::EncodedSplit& split, const std::vector<int64_t>& longest, int64_t tokens) {
  std::vector<int64_t> indices;
  for (int64_t rows = 0; const int64_t index : longest) {
    if (rows >= tokens) break;
    indices.push_back(index);
    rows += split.length(static_cast<size_t>(index));
  }
  data::Batch batch = data::make_batch(split, indices, /*epoch=*/0);
  batch.step_sequences = static_cast<int64_t>(indices.size());
  return batch;
}

/// Leaves no trace of passes: zero gradients, and the random numbers that were next are next again.
class Traceless {
 public:
  explicit Traceless(FlatOptimizer& optimizer)
      : optimizer_(optimizer),
        generator_(at::detail::getDefaultCPUGenerator()),
        before_(generator_.get_state()) {}
  ~Traceless() { rewind(); }
  Traceless(const Traceless&) = delete;
  Traceless& operator=(const Traceless&) = delete;
  void rewind() {
    generator_.set_state(before_);
    optimizer_.zero_grad();
  }

 private:
  FlatOptimizer& optimizer_;
  at::Generator generator_;
  Tensor before_;
};

int64_t peak_of(const Pass& pass, const data::Batch& batch) {
  const auto peak = std::make_shared<AllocationPeak>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, peak);
  pass(batch);
  return peak->bytes();
}

/// Weights, gradients, moments, texts and the program.
int64_t standing_bytes(const model::Bert& model, const data::EncodedSplit& split, const FlatOptimizer& optimizer) {
  int64_t bytes = kProgramBytes + optimizer.bytes() + split.tokens() * static_cast<int64_t>(sizeof(int32_t));
  for (const Tensor& parameter : model.parameters())
    bytes += static_cast<int64_t>(parameter.nbytes());
  return bytes;
}

std::string gigabytes(int64_t bytes) { return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9); }

}  // namespace

MemoryRoom room_within(int64_t budget, const Beside& beside, const model::Bert& model, const data::EncodedSplit& split,
                       FlatOptimizer& optimizer, const Pass& pass) {
  const std::vector<int64_t> longest = longest_first(split);
  const data::Batch few = batch_of(split, longest, kFewTokens), more = batch_of(split, longest, kMoreTokens);
  const Traceless traceless(optimizer);
  const int64_t few_bytes = peak_of(pass, few), more_bytes = peak_of(pass, more);

  const int64_t few_tokens = few.input.layout.rows(), added = more.input.layout.rows() - few_tokens;
  const int64_t per_token = std::max<int64_t>(1, added > 0 ? (more_bytes - few_bytes) / added : few_bytes / few_tokens);
  const int64_t standing = standing_bytes(model, split, optimizer) + beside.always +
                           std::max<int64_t>(0, few_bytes - per_token * few_tokens);
  const int64_t longest_text = split.length(static_cast<size_t>(longest.front())),
                of_longest = per_token * longest_text;
  const int64_t needed = std::max(of_longest, beside.at_saves);
  if (budget < standing + needed) {
    const std::string more = beside.at_saves > of_longest
                                 ? "a checkpoint " + gigabytes(beside.at_saves)
                                 : fmt::format("the longest text ({} tokens) {}", longest_text, gigabytes(of_longest));
    throw Error(fmt::format(
        "train.memory: {} is too little: what is there all the time takes {}, {} more; at least {} is needed",
        gigabytes(budget), gigabytes(standing), more, gigabytes(standing + needed)));
  }
  return {budget - standing, per_token, needed};
}

void check_recompute(model::Bert& model, const data::EncodedSplit& split, FlatOptimizer& optimizer, const Pass& pass) {
  const data::Batch batch = batch_of(split, longest_first(split), kFewTokens);
  Traceless traceless(optimizer);
  const auto gradients = [&](bool recompute) {
    model.set_recompute(recompute);
    traceless.rewind();
    pass(batch);
    return optimizer.gradients().clone();
  };
  const Tensor kept = gradients(false);
  if (!kept.isfinite().all().item<bool>()) return;  // the first step says so
  bool same = false;
  try {
    same = (gradients(true) - kept).norm().item<double>() <= 1e-4 * kept.norm().item<double>();
  } catch (const Error&) {
    // The pass before went well: a kept tensor's graph was gone.
  }
  if (same) return;
  throw Error(
      "train.recompute: does not go with these strategies: one keeps tensors of a layer's pass for another, and a "
      "layer that is "
      "computed again makes its own; leave it out");
}

}  // namespace plugtune::train
