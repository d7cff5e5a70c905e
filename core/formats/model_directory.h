#pragma once
// model_directory.h - finds a Hugging Face model directory and writes one that transformers loads.

#include <filesystem>
#include <string>
#include <vector>

#include "formats/bert_config.h"
#include "formats/bert_weights.h"

namespace plugtune::formats {

/// The directory of a model: `name` itself when it is one, else its snapshot in the Hugging Face cache ($HF_HUB_CACHE, or
/// $HF_HOME/hub, or ~/.cache/huggingface/hub). Never asks the network. Throws Error that lists where it looked.
std::filesystem::path resolve_model(const std::string& name);

/// Files of `directory` that a tokenizer needs: vocab.txt, tokenizer.json, tokenizer_config.json, ... as far as they exist.
std::vector<std::filesystem::path> tokenizer_files(const std::filesystem::path& directory);

/// Writes config.json, model.safetensors and copies of `files` into `directory`, which appears whole or not at all.
///
/// transformers' from_pretrained finds every key: the class in config.json follows from what `weights` holds: with a head
/// BertForSequenceClassification, with predictions BertForMaskedLM (which has no pooler: it is left out) or, with
/// seq_relationship too, BertForPreTraining, else BertModel. The decoder is left out where it is tied to the embedding.
/// Shapes are the caller's promise; a pooler is needed except for BertForMaskedLM.
void write_model_directory(const std::filesystem::path& directory, const BertConfig& config, const BertWeights& weights,
                           const std::vector<std::filesystem::path>& files = {});

}  // namespace plugtune::formats
