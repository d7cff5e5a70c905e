// evaluation_passes.cc - evaluation mode for as long as a split takes.
#include "train/evaluation_passes.h"

#include <optional>

#include "model/merged.h"

namespace plugtune::train {

void for_each_batch(model::Bert& model, const data::EncodedSplit& split, int64_t batch_tokens, PatchUse patches,
                    const std::function<void(const data::Batch&)>& compute) {
  torch::NoGradGuard no_grad;
  std::optional<model::MergesPatches> merges;
  if (patches == PatchUse::kMerged) merges.emplace();
  const bool was_training = model.is_training();
  model.eval();
  for (const std::vector<int64_t>& indices : data::evaluation_batches(split, batch_tokens))
    compute(data::make_batch(split, indices));
  model.train(was_training);
}

}  // namespace plugtune::train
