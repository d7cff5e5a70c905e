// batches.cc - orders, steps and packed rows.
#include "data/batches.h"

#include <ATen/record_function.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace plugtune::data {
namespace {

constexpr int64_t kDefaultMicroBatchTokens = 1024;

/// One generator for each epoch: any epoch's order is found without those before it.
std::mt19937_64 epoch_generator(uint64_t seed, int64_t epoch) {
  std::seed_seq mixed{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(epoch),
                      static_cast<uint32_t>(epoch >> 32)};
  return std::mt19937_64(mixed);
}

/// Fisher and Yates with our own choice of numbers: std::shuffle may differ between standard libraries.
void shuffle(std::vector<int64_t>& values, std::mt19937_64& generator) {
  for (size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[generator() % i]);
}

/// As transformers' LengthGroupedSampler: shuffled, cut into pieces of 50 batches (fewer when that leaves less than 4 pieces),
/// each piece sorted by length, the longest example of all first, so that memory runs out at once or not at all.
void group_by_length(std::vector<int64_t>& order, const EncodedSplit& split, int64_t batch_size) {
  const auto longer = [&](int64_t a, int64_t b) {
    return split.length(static_cast<size_t>(a)) > split.length(static_cast<size_t>(b));
  };
  const int64_t batches = std::clamp<int64_t>(static_cast<int64_t>(order.size()) / (batch_size * 4), 1, 50);
  const auto piece = static_cast<size_t>(batch_size * batches);
  for (size_t begin = 0; begin < order.size(); begin += piece) {
    const auto first = order.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = order.begin() + static_cast<std::ptrdiff_t>(std::min(begin + piece, order.size()));
    std::stable_sort(first, last, longer);
  }
  const auto longest = std::min_element(order.begin(), order.end(), longer);
  if (longest != order.end()) std::iter_swap(order.begin(), longest);
}

/// Cuts `indices` where the next example would exceed `tokens` rows.
std::vector<std::vector<int64_t>> cut_by_tokens(const EncodedSplit& split, std::span<const int64_t> indices,
                                                int64_t tokens) {
  std::vector<std::vector<int64_t>> parts;
  int64_t rows = 0;
  for (const int64_t index : indices) {
    const int64_t length = split.length(static_cast<size_t>(index));
    if (parts.empty() || rows + length > tokens) {
      parts.emplace_back();
      rows = 0;
    }
    parts.back().push_back(index);
    rows += length;
  }
  return parts;
}

Tensor labels_of(const EncodedSplit& split, const std::vector<int64_t>& indices) {
  Tensor labels = torch::empty({static_cast<int64_t>(indices.size())}, torch::kInt64);
  for (size_t i = 0; i < indices.size(); ++i)
    labels.data_ptr<int64_t>()[i] = split.labels[static_cast<size_t>(indices[i])];
  return labels;
}

Tensor targets_of(const EncodedSplit& split, const std::vector<int64_t>& indices) {
  const auto examples = static_cast<int64_t>(indices.size());
  if (split.task.kind == TaskKind::kText) return {};
  if (split.task.kind == TaskKind::kRegression) {
    Tensor values = torch::empty({examples}, torch::kFloat32);
    for (int64_t i = 0; i < examples; ++i) {
      values.data_ptr<float>()[i] =
          static_cast<float>(split.values[static_cast<size_t>(indices[static_cast<size_t>(i)])]);
    }
    return values;
  }
  const Tensor labels = labels_of(split, indices);
  if (split.task.kind == TaskKind::kClassification) return labels;
  const Tensor bits = torch::arange(static_cast<int64_t>(split.task.labels.size()));
  return labels.unsqueeze(1).bitwise_right_shift(bits).bitwise_and(1).to(torch::kFloat32);  // (B, labels)
}

/// Puts what is seen in the place of the chosen tokens, which become the targets.
void mask(const EncodedSplit& split, int64_t epoch, Batch& batch) {
  int64_t* ids = batch.input.ids.data_ptr<int64_t>();
  std::vector<int64_t> rows, targets;
  for (size_t b = 0; b < batch.indices.size(); ++b) {
    const int64_t example = batch.indices[b], first = batch.input.layout.offset(static_cast<int64_t>(b));
    for (const Masking::Choice& choice :
         split.masking->choose(split.texts[static_cast<size_t>(example)], epoch, example)) {
      rows.push_back(first + choice.position);
      targets.push_back(ids[rows.back()]);
      ids[rows.back()] = choice.seen;
    }
  }
  batch.input.read_rows = torch::tensor(rows, torch::kInt64);
  batch.targets = torch::tensor(targets, torch::kInt64);
  batch.step_examples = static_cast<int64_t>(rows.size());
}

}  // namespace

std::vector<int64_t> epoch_order(const EncodedSplit& split, const BatchSettings& settings, int64_t epoch) {
  std::vector<int64_t> order(split.size());
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 generator = epoch_generator(settings.seed, epoch);
  shuffle(order, generator);
  if (settings.group_by_length) group_by_length(order, split, settings.batch_size);
  return order;
}

BatchPlan::BatchPlan(const EncodedSplit& split, const BatchSettings& settings) : split_(split), settings_(settings) {
  TORCH_CHECK(split.size() > 0, "BatchPlan: no examples");
  TORCH_CHECK(settings.batch_size > 0, "BatchPlan: batch_size must be positive");
}

int64_t BatchPlan::steps_per_epoch() const noexcept {
  return (static_cast<int64_t>(split_.size()) + settings_.batch_size - 1) / settings_.batch_size;
}

/// The split as it is in an epoch, whose order is made when it is not the one at hand.
const EncodedSplit& BatchPlan::begin(int64_t epoch) const {
  const bool is_new = epoch != ordered_epoch_;
  if (is_new && split_.pairs) {
    SentencePairs::Epoch pairs = split_.pairs->epoch(epoch);
    drawn_.split = split_.split;
    drawn_.task = split_.task;
    drawn_.masking = split_.masking;
    drawn_.pairs = split_.pairs;
    drawn_.texts = std::move(pairs.texts);
    drawn_.labels = std::move(pairs.labels);
  }
  const EncodedSplit& split = split_.pairs ? drawn_ : split_;
  if (is_new) order_ = epoch_order(split, settings_, epoch);
  ordered_epoch_ = epoch;
  return split;
}

std::vector<Batch> BatchPlan::step(int64_t step) const {
  RECORD_USER_SCOPE("batch");
  const int64_t epoch = step / steps_per_epoch();
  const EncodedSplit& split = this->begin(epoch);
  const int64_t begin = step % steps_per_epoch() * settings_.batch_size;
  const int64_t count = std::min(settings_.batch_size, static_cast<int64_t>(split.size()) - begin);
  const int64_t tokens = settings_.micro_batch_tokens > 0 ? settings_.micro_batch_tokens : kDefaultMicroBatchTokens;
  std::vector<Batch> batches;
  for (const auto& part : cut_by_tokens(
           split, std::span(order_).subspan(static_cast<size_t>(begin), static_cast<size_t>(count)), tokens)) {
    batches.push_back(make_batch(split, part, epoch));
    batches.back().ends_step = false;
  }
  batches.back().ends_step = true;
  int64_t examples = 0;
  for (const Batch& batch : batches)
    examples += batch.step_examples;
  for (Batch& batch : batches) {
    batch.step_examples = examples;
    batch.step_sequences = count;
  }
  return batches;
}

Batch make_batch(const EncodedSplit& split, const std::vector<int64_t>& indices, int64_t epoch) {
  std::vector<int64_t> lengths;
  for (const int64_t index : indices)
    lengths.push_back(split.length(static_cast<size_t>(index)));
  Batch batch;
  batch.input.layout = Layout(lengths);
  const int64_t rows = batch.input.layout.rows();
  batch.input.ids = torch::empty({rows}, torch::kInt64);
  batch.input.types = torch::zeros({rows}, torch::kInt64);
  batch.input.positions = torch::empty({rows}, torch::kInt64);
  int64_t* ids = batch.input.ids.data_ptr<int64_t>();
  int64_t* types = batch.input.types.data_ptr<int64_t>();
  int64_t* positions = batch.input.positions.data_ptr<int64_t>();
  for (const int64_t index : indices) {
    const auto example = static_cast<size_t>(index);
    const std::span<const int32_t> tokens = split.texts[example];
    ids = std::copy(tokens.begin(), tokens.end(), ids);
    std::fill(types + split.texts.first_lengths[example], types + tokens.size(), 1);
    std::iota(positions, positions + tokens.size(), 0);
    types += tokens.size();
    positions += tokens.size();
  }
  batch.targets = targets_of(split, indices);
  batch.step_examples = static_cast<int64_t>(indices.size());
  batch.indices = indices;
  batch.step_sequences = batch.step_examples;
  if (split.pairs) batch.next_targets = labels_of(split, indices);
  if (split.masking) mask(split, epoch, batch);
  return batch;
}

std::vector<std::vector<int64_t>> evaluation_batches(const EncodedSplit& split, int64_t batch_tokens) {
  std::vector<int64_t> order(split.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return split.length(static_cast<size_t>(a)) > split.length(static_cast<size_t>(b));
  });
  return cut_by_tokens(split, order, batch_tokens);
}

}  // namespace plugtune::data
