#pragma once
// open.h - from a Hugging Face directory to a Bert with a head for the task.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/bert_config.h"
#include "formats/model_directory.h"
#include "model/bert.h"

namespace plugtune::model {

struct OpenedModel {
  std::shared_ptr<Bert> bert;
  formats::BertConfig config;       ///< with the task's labels and problem type
  std::filesystem::path directory;  ///< as found: of the tokenizer's files too
  std::string fingerprint;          ///< of the encoder as it was opened
  bool new_pooler = false;          ///< the pooler has random values: it should train
  bool new_head = true;             ///< false: the directory had a head with these labels, or a masked-LM head
  std::vector<std::string> notes;   ///< what the person should know, one line each
};

/// @param path         a directory, or a name in the Hugging Face cache
/// @param random_init  only the configuration is read; weights are drawn from torch's default generator
/// @param task         gives the head and its labels; kText the masked-LM head, whose labels are the vocabulary
/// @param next_sentence  of masked LM: with the next-sentence head and the pooler below it
/// @param dropout      of hidden states, attention probabilities and what the head reads, instead of the configuration's,
///                     which stays as it is read
/// Throws Error on everything that is wrong with the directory.
OpenedModel open_model(const std::string& path, bool random_init, const Task& task, bool next_sentence = false,
                       std::optional<double> dropout = {});

/// Writes the model as it is (no patches left) as a directory that transformers loads, with its tokenizer's files. After
/// masked LM it is a BertForMaskedLM, which has no pooler, with next-sentence prediction a BertForPreTraining.
/// @param add_files  may add files of its own before the directory appears
/// @param type       of the written weights. config.json says float32 whatever it is: that is what they are to be computed in.
/// Throws Error naming a tensor with a number that `type` cannot hold.
void write_model(const OpenedModel& opened, const std::filesystem::path& directory,
                 const formats::AddFiles& add_files = {}, torch::ScalarType type = torch::kFloat32);

}  // namespace plugtune::model
