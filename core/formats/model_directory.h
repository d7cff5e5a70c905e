#pragma once
// model_directory.h - finds a Hugging Face model directory and writes one that transformers loads.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "formats/atomic_file.h"
#include "formats/bert_config.h"
#include "formats/bert_weights.h"

namespace plugtune::formats {

struct FoundDirectory {
  std::filesystem::path directory;  ///< empty: not found
  std::string looked;  ///< when it was not: every place that was looked at and its state, "\n  place: state" each
};

/// `name` itself when it is a directory, else its snapshot in the Hugging Face cache ($HF_HUB_CACHE, or $HF_HOME/hub, or
/// ~/.cache/huggingface/hub). Never asks the network.
FoundDirectory find_directory(const std::string& name);

/// The directory of a model, as find_directory finds it. Throws Error that lists where it looked.
std::filesystem::path resolve_model(const std::string& name);

/// Files of `directory` that a tokenizer needs: vocab.txt, tokenizer.json, tokenizer_config.json, ... as far as they exist.
std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& directory);

/// Adds files of its own to a directory that is being written. @param tensors  those of its model.safetensors
using AddFiles = std::function<void(AtomicDirectory& directory, const NamedTensors& tensors)>;

/// Writes config.json, model.safetensors and copies of `files` into `directory`, which appears whole or not at all.
///
/// transformers' from_pretrained finds every key: the class in config.json follows from what `weights` holds: with a head
/// BertForSequenceClassification, with predictions BertForMaskedLM (which has no pooler: it is left out) or, with
/// seq_relationship too, BertForPreTraining, else BertModel. The decoder is left out where it is tied to the embedding.
/// Shapes are the caller's promise; a pooler is needed except for BertForMaskedLM.
void write_model_directory(const std::filesystem::path& directory, const BertConfig& config, const BertWeights& weights,
                           const std::vector<std::filesystem::path>& files = {}, const AddFiles& add_files = {});

}  // namespace plugtune::formats
