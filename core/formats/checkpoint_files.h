#pragma once
// checkpoint_files.h - the tensors of a directory's weight files, whole or in shards, under the names that the files use.

#include <filesystem>
#include <vector>

#include "formats/named_tensors.h"

namespace plugtune::formats {

/// The first of model.safetensors, model.safetensors.index.json + shards, pytorch_model.bin, pytorch_model.bin.index.json +
/// shards. Adds what was read to `files`. Throws Error when there is none, or a shard and its index disagree.
NamedTensors read_checkpoint(const std::filesystem::path& directory, std::vector<std::filesystem::path>& files);

/// Whether read_checkpoint() would find any of them, readable or not.
bool has_checkpoint(const std::filesystem::path& directory);

}  // namespace plugtune::formats
