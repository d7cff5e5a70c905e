#pragma once
// bert_weights.h - the weights of a Hugging Face BERT directory under one set of names, in every form that exists.

#include <filesystem>
#include <string>
#include <vector>

#include "formats/bert_config.h"
#include "formats/named_tensors.h"

namespace plugtune::formats {

/// Weights in fp32 on the processor, by the names of transformers' BertModel: no `bert.` or `module.` in front, LayerNorm
/// with weight and bias. Tensors may lie in the mapped file.
struct BertWeights {
  NamedTensors encoder;      ///< embeddings.*, encoder.layer.N.*, pooler.dense.* (unless pooler_is_missing)
  NamedTensors head;         ///< classifier.weight (labels, H) and .bias, when both are there and fit the configuration
  NamedTensors pretraining;  ///< those of cls.* that are there and fit: predictions.*, seq_relationship.*
  /// The pretraining head's masked-LM part, under one name for what files have under two: cls.predictions.transform.dense.*,
  /// .transform.LayerNorm.*, .decoder.bias. Empty unless all are there. Throws Error, naming `subject`, when the decoder is not
  /// the word embedding, or its two biases differ.
  NamedTensors language_head(const std::string& subject) const;

  bool pooler_is_missing = false;    ///< a masked-LM checkpoint: the pooler has to be a new one
  std::vector<std::string> ignored;  ///< keys in the files that mean nothing here: position_ids, heads that do not fit
  std::vector<std::filesystem::path> files;  ///< where the weights were read
};

/// Reads model.safetensors, else model.safetensors.index.json and its shards, else pytorch_model.bin (zip or legacy), else
/// pytorch_model.bin.index.json and its shards. Throws one Error that lists every key which is missing, unexpected, there
/// twice or of the wrong shape; only the pooler may be missing.
BertWeights read_bert_weights(const std::filesystem::path& directory, const BertConfig& config);

/// Shapes by name of what `encoder` must hold, pooler included.
std::map<std::string, std::vector<int64_t>> encoder_shapes(const BertConfig& config);

/// "encoder.layer.{0-3,5}.output.dense.bias": keys that differ in the layer only, as one. In the order of the first ones.
std::vector<std::string> fold_layers(const std::vector<std::string>& keys);

}  // namespace plugtune::formats
