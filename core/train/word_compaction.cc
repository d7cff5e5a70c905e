// word_compaction.cc - which words a run reads, and the way back to the whole table.
#include "train/word_compaction.h"

#include <algorithm>

#include "formats/mapped_file.h"
#include "kernels/tensor_memory.h"

namespace plugtune::train {
namespace {

/// The ids in use, ascending.
Tensor used_ids(int64_t words, const data::EncodedSplit& train, const data::EncodedSplit* evaluation) {
  std::vector<bool> used(static_cast<size_t>(words));
  for (const data::EncodedSplit* split : {&train, evaluation}) {
    if (split == nullptr) continue;
    for (const int32_t id : split->texts.ids)
      used[static_cast<size_t>(id)] = true;
  }
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < words; ++id)
    if (used[static_cast<size_t>(id)]) ids.push_back(id);
  return torch::tensor(ids, torch::kInt64);
}

}  // namespace

WordCompaction::WordCompaction(model::Bert& model, const data::EncodedSplit& train,
                               const data::EncodedSplit* evaluation, bool is_looked_at)
    : model_(model) {
  const Tensor table = model.word_embeddings().weight;
  const bool is_read_whole = !model.word_embeddings().bare() || model.options().task == TaskKind::kText;
  if (is_read_whole || is_looked_at || !table.requires_grad()) return;
  used_ = used_ids(table.size(0), train, evaluation);
  whole_ = table.detach();
  restored_ = false;
  model_.compact_words(used_);
}

WordCompaction::~WordCompaction() {
  if (!restored_) model_.restore_words(whole_);
}

void WordCompaction::gather(formats::NamedTensors& delta) const {
  if (!active()) return;
  const auto at = delta.find(kName);
  if (at != delta.end() && at->second.size(0) == whole_.size(0)) at->second = at->second.index_select(0, used_);
}

Tensor WordCompaction::scatter(const Tensor& rows, double decay) const {
  const torch::NoGradGuard no_grad;
  constexpr int64_t kPieceRows = 4096;
  kernels::forget_tensor_memory();  // of passes, which do not run now: the table is as large
  const Tensor table = torch::empty(whole_.sizes(), torch::kFloat32);
  for (int64_t at = 0; at < table.size(0); at += kPieceRows) {
    const int64_t rows_of_piece = std::min(kPieceRows, table.size(0) - at);
    const Tensor piece = whole_.narrow(0, at, rows_of_piece);
    table.narrow(0, at, rows_of_piece).copy_(piece).mul_(decay);
    formats::MappedFile::give_back(piece);
  }
  return table.index_copy_(0, used_, rows.to(torch::kFloat32));
}

void WordCompaction::restore(const Tensor& table) {
  if (restored_) return;
  model_.restore_words(table);
  restored_ = true;
}

}  // namespace plugtune::train
