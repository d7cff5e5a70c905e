// evaluation_passes.cc - a split, batch by batch.
#include "train/evaluation_passes.h"

#include <optional>

#include "model/merged.h"

namespace plugtune::train {

void for_each_batch(model::Bert& model, const data::EncodedSplit& split, int64_t batch_tokens, PatchUse patches,
                    const std::function<void(const data::Batch&)>& compute) {
  const EvaluationMode evaluation(model);
  std::optional<model::MergesPatches> merges;
  if (patches == PatchUse::kMerged) merges.emplace();
  for (const std::vector<int64_t>& indices : data::evaluation_batches(split, batch_tokens))
    compute(data::make_batch(split, indices));
}

}  // namespace plugtune::train
