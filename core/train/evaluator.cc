// evaluator.cc - logits, loss and guesses of a split, gathered batch by batch.
#include "train/evaluator.h"

#include "model/loss.h"

namespace plugtune::train {

namespace {

/// What is told of one batch at a time.
class Gatherer {
 public:
  Gatherer(const model::BertOptions& options, int64_t examples) : options_(options), examples_(examples) {
    if (options.task != TaskKind::kText)
      predictions_.logits = torch::empty({examples, options.labels}, torch::kFloat32);
  }

  void add(const data::Batch& batch, const Tensor& logits, const Tensor& next_sentence = {}) {
    predictions_.tokens += batch.input.layout.rows();
    options_.task == TaskKind::kText ? add_guesses(batch, logits) : add_answers(batch, logits);
    if (next_sentence.defined()) add_pairs(batch, next_sentence);
  }

  Predictions finish() {
    if (!targets_.empty()) {
      const Tensor gathered = torch::cat(targets_).cpu();
      predictions_.targets = torch::empty_like(gathered).index_copy_(0, torch::cat(positions_), gathered);
    }
    if (options_.task == TaskKind::kText)
      predictions_.loss /= static_cast<double>(predictions_.guessed);  // of none NaN
    if (predictions_.sequences > 0) predictions_.next_sentence_loss /= static_cast<double>(predictions_.sequences);
    return predictions_;
  }

 private:
  void add_answers(const data::Batch& batch, const Tensor& logits) {
    const Tensor rows = torch::tensor(batch.indices);
    predictions_.logits.index_copy_(0, rows, logits.to(torch::kCPU, torch::kFloat32));
    if (!batch.targets.defined()) return;
    predictions_.loss += model::task_loss(options_.task, logits, batch.targets, examples_).item<double>();
    targets_.push_back(batch.targets);
    positions_.push_back(rows);
  }

  void add_guesses(const data::Batch& batch, const Tensor& logits) {
    predictions_.loss += model::task_loss(options_.task, logits, batch.targets, /*examples=*/1).item<double>();
    predictions_.guessed += batch.targets.size(0);
    predictions_.correct += logits.argmax(1).eq(batch.targets).sum().item<int64_t>();
  }

  void add_pairs(const data::Batch& batch, const Tensor& logits) {
    predictions_.next_sentence_loss +=
        model::task_loss(TaskKind::kClassification, logits, batch.next_targets, /*examples=*/1).item<double>();
    predictions_.sequences += batch.next_targets.size(0);
    predictions_.told += logits.argmax(1).eq(batch.next_targets).sum().item<int64_t>();
  }

  const model::BertOptions& options_;
  int64_t examples_;
  Predictions predictions_;
  std::vector<Tensor> targets_, positions_;
};

}  // namespace

Predictions predict(model::Bert& model, const data::EncodedSplit& split, int64_t batch_tokens, const Features& features,
                    PatchUse patches) {
  Gatherer gatherer(model.options(), static_cast<int64_t>(split.size()));
  for_each_batch(model, split, batch_tokens, patches, [&](const data::Batch& batch) {
    if (features.defined()) {
      gatherer.add(batch, features.logits(model, batch));
    } else {
      const auto [logits, next_sentence] = model.answers(batch.input);
      gatherer.add(batch, logits, next_sentence);
    }
  });
  return gatherer.finish();
}

Metrics metrics_of(TaskKind kind, const Predictions& predictions) {
  if (kind == TaskKind::kText) {
    const Metrics language = language_metrics(predictions.loss, predictions.correct, predictions.guessed);
    if (predictions.sequences == 0) return language;
    return with_next_sentence(language, predictions.next_sentence_loss, predictions.told, predictions.sequences);
  }
  return compute_metrics(kind, predictions.logits, predictions.targets, predictions.loss);
}

}  // namespace plugtune::train
