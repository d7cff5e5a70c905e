// features.cc - rows below the lowest layer that trains.
#include "train/features.h"

#include <algorithm>
#include <numeric>

#include "model/each_site.h"
#include "model/layer_of.h"
#include "train/evaluation_passes.h"

namespace plugtune::train {
namespace {

bool reads_heads(const model::Bert& model, int64_t layers) {
  return layers == model.options().layers && model.computes_first_rows_only();
}

}  // namespace

int64_t frozen_layers(const model::Bert& model, const Methods& methods) {
  const int64_t layers = model.options().layers;
  if (model.options().task == TaskKind::kText) return 0;
  int64_t lowest = layers;
  for (const auto& [name, parameter] : model.own_parameters())
    if (parameter.requires_grad()) lowest = std::min(lowest, model::layer_of(name, layers));
  // const_cast: sites are reached through Model's interface, which plugins need to be mutable; nothing is changed here.
  model::for_each_site(const_cast<model::Bert&>(model), [&]<class In>(const Site<In>& site) {
    const std::string& path = site.info().path;
    // Around the whole encoder, or adding rows in front of it: no part of such a pass stands by itself.
    const bool is_around = path == "embeddings" || path == "encoder";
    for (const auto& [name, patch] : site.patches()) {
      const std::string key = path + "." + name;
      const auto owner = methods.composed().owner_of_patch(key);
      const bool is_frozen = owner && methods.is_frozen(*owner);
      if (is_around || !is_frozen) lowest = std::min(lowest, model::layer_of(key, layers));
    }
  });
  return std::max<int64_t>(lowest, 0);
}

Features::Features(model::Bert& model, const data::EncodedSplit& split, int64_t layers, int64_t batch_tokens)
    : split_(&split),
      layers_(layers),
      are_heads_(reads_heads(model, layers)) {
  for_each_batch(model, split, batch_tokens, PatchUse::kMerged, [&](const data::Batch& batch) {
    const Tensor rows = are_heads_ ? model.first_rows(batch.input) : model.hidden_below(batch.input, layers);
    if (!rows_.defined())
      rows_ = torch::empty({are_heads_ ? static_cast<int64_t>(split.size()) : split.tokens(), rows.size(1)},
                           rows.options());
    rows_.index_copy_(0, rows_at(batch.indices), rows);
  });
}

Tensor Features::rows_at(const std::vector<int64_t>& examples) const {
  if (are_heads_) return torch::tensor(examples);
  std::vector<int64_t> rows;
  for (const int64_t example : examples) {
    const auto at = static_cast<size_t>(example);
    const auto first = std::ssize(rows);
    rows.resize(rows.size() + static_cast<size_t>(split_->length(at)));
    std::iota(rows.begin() + first, rows.end(), split_->texts.offsets[at]);
  }
  return torch::tensor(rows);
}

Tensor Features::logits(model::Bert& model, const data::Batch& batch) const {
  const Tensor rows = rows_.index_select(0, rows_at(batch.indices));
  if (are_heads_) return model.answer(rows);
  model::Input input = batch.input;
  input.hidden = rows;
  input.layers_done = layers_;
  return model.forward(input);
}

bool Features::agree(model::Bert& model) const {
  constexpr size_t kExamples = 8;
  const bool is_exact = rows_.scalar_type() == torch::kFloat32;
  std::vector<int64_t> examples(std::min(kExamples, split_->size()));
  std::iota(examples.begin(), examples.end(), 0);
  const data::Batch batch = data::make_batch(*split_, examples);
  const EvaluationMode evaluation(model);
  try {
    const Tensor above = logits(model, batch).to(torch::kFloat32);
    return torch::allclose(above, model.forward(batch.input).to(torch::kFloat32), /*rtol=*/is_exact ? 1e-3 : 5e-2,
                           /*atol=*/is_exact ? 1e-4 : 5e-2);
  } catch (const std::exception&) {
    return false;  // what the patch above reads has another batch's shape
  }
}

int64_t Features::bytes(const model::Bert& model, const data::EncodedSplit* split, int64_t layers) {
  if (split == nullptr) return 0;
  const int64_t rows = reads_heads(model, layers) ? static_cast<int64_t>(split->size()) : split->tokens();
  return rows * model.options().hidden_size *
         static_cast<int64_t>(model.own_parameters().front().second.element_size());
}

}  // namespace plugtune::train
