// evaluator.cc - forward passes without a graph over a split, sorted by length.
#include "train/evaluator.h"

#include "data/batches.h"
#include "model/loss.h"

namespace plugtune::train {

Predictions predict(model::Bert& model, const data::EncodedSplit& split, int64_t batch_tokens) {
  torch::NoGradGuard no_grad;
  const bool was_training = model.is_training();
  model.eval();
  const auto examples = static_cast<int64_t>(split.size());
  Predictions predictions;
  predictions.logits = torch::empty({examples, model.options().labels}, torch::kFloat32);
  std::vector<Tensor> targets, positions;
  for (const std::vector<int64_t>& indices : data::evaluation_batches(split, batch_tokens)) {
    const data::Batch batch = data::make_batch(split, indices);
    const Tensor logits = model.forward(batch.input);
    const Tensor rows = torch::tensor(indices);
    predictions.logits.index_copy_(0, rows, logits.to(torch::kCPU, torch::kFloat32));
    predictions.tokens += batch.input.layout.rows();
    if (!batch.targets.defined()) continue;
    predictions.loss += model::task_loss(model.options().task, logits, batch.targets, examples).item<double>();
    targets.push_back(batch.targets);
    positions.push_back(rows);
  }
  if (!targets.empty()) {
    const Tensor gathered = torch::cat(targets).cpu();
    predictions.targets = torch::empty_like(gathered).index_copy_(0, torch::cat(positions), gathered);
  }
  model.train(was_training);
  return predictions;
}

Metrics evaluate(model::Bert& model, const data::EncodedSplit& split, int64_t batch_tokens) {
  const Predictions predictions = predict(model, split, batch_tokens);
  return compute_metrics(model.options().task, predictions.logits, predictions.targets, predictions.loss);
}

}  // namespace plugtune::train
