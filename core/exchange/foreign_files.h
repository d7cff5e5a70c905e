#pragma once
// foreign_files.h - a directory of another library as values: its adapters, its head, what it says of its base.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "formats/named_tensors.h"
#include "plugtune/dataset.h"
#include "plugtune/exchange.h"

namespace plugtune::exchange {

/// Everything that a foreign directory holds. Nothing of it is converted yet, but the head.
struct ForeignFiles {
  std::string format;                    ///< "peft", "adapterhub" or "hf"
  std::string name;                      ///< of the adapter or composition
  std::vector<ForeignAdapter> adapters;  ///< in the order in which they are applied
  formats::NamedTensors head;            ///< classifier.*, and pooler.dense.* where it was trained; empty: none
  std::optional<TaskKind> task;          ///< of the head; nullopt: not said
  std::vector<std::string> labels;       ///< of the head; empty: not said
  std::string base;                      ///< what the files call their base model, or ""
  std::string revision{};                ///< of that base in the Hub, where it is not the newest
  int64_t hidden_size = 0;               ///< of the base; 0: not said
  std::vector<std::string> notes;        ///< what the person should know, one line each
};

/// What a head of `outputs` numbers answers where the files do not say it, by transformers' rule: one is a regression.
TaskKind task_of_outputs(int64_t outputs);

/// A directory as it was given, or the snapshot of that name in the Hugging Face cache. Throws Error that lists where it looked.
std::string resolve_foreign(const std::string& name);

/// Reads a directory of peft, AdapterHub (adapter, fusion with its members, head, set-up, and those of adapter-transformers 1-3), or
/// a Hugging Face classification checkpoint. Throws Error: none of these, damaged, incomplete, or something in it that cannot
/// be taken over exactly, by name.
ForeignFiles read_foreign(const std::filesystem::path& directory);

/// Writes `files.adapters` with their head as `files.format` ("peft" or "adapterhub"). The directory appears whole or not at all.
/// @param safetensors  adapterhub only: *.safetensors instead of the library's default *.bin
void write_foreign(const std::filesystem::path& directory, const ForeignFiles& files, bool safetensors);

}  // namespace plugtune::exchange
