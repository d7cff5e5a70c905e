// checkpoint_files.cc - the tensors of a directory's weight files, whole or in shards.
#include "formats/checkpoint_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "formats/safetensors.h"
#include "formats/strict_json.h"
#include "formats/torch_pickle.h"
#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                                  "pytorch_model.bin.index.json"};

/// The first of the names that is there; empty when none is. A link into a cache that lost its file is there: it is told as such.
fs::path found_in(const fs::path& directory) {
  std::error_code failure;
  for (const char* name : kNames) {
    const fs::path path = directory / name;
    if (fs::exists(fs::symlink_status(path, failure))) return path;
  }
  return {};
}

NamedTensors read_one(const fs::path& path) {
  return path.extension() == ".safetensors" ? SafetensorsFile::open(path).tensors() : read_torch_file(path);
}

/// {"metadata": .., "weight_map": {key: file}}.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const nlohmann::json index = parse_json(read_text(path), path.string());
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    throw Error(fmt::format("{}: must have a weight_map of tensor and file", path.string()));
  }
  std::map<std::string, std::string> shards;
  for (const auto& [key, file] : index["weight_map"].items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    // An index must not lead out of its directory.
    if (name.empty() || name == ".." || name.find('/') != std::string::npos) {
      throw Error(fmt::format("{}: weight_map '{}' must name a file of this directory, got {}", path.string(), key,
                              file.dump()));
    }
    shards[key] = name;
  }
  return shards;
}

NamedTensors read_shards(const fs::path& index_path, std::vector<fs::path>& files) {
  const auto shard_of = read_index(index_path);
  std::set<std::string> shards;
  for (const auto& [key, shard] : shard_of)
    shards.insert(shard);

  NamedTensors all;
  for (const std::string& shard : shards) {
    files.push_back(index_path.parent_path() / shard);
    for (auto& [key, tensor] : read_one(files.back())) {
      const auto listed = shard_of.find(key);
      if (listed == shard_of.end() || listed->second != shard) {
        throw Error(fmt::format("{}: has the tensor '{}', which {} {}; shards of different models were mixed",
                                files.back().string(), key, index_path.filename().string(),
                                listed == shard_of.end() ? "does not list" : "expects in " + listed->second));
      }
      all.emplace(key, std::move(tensor));
    }
  }
  for (const auto& [key, shard] : shard_of) {
    if (!all.contains(key)) {
      throw Error(fmt::format("{}: has no tensor '{}', which {} expects in it; shards of different models were mixed",
                              (index_path.parent_path() / shard).string(), key, index_path.filename().string()));
    }
  }
  return all;
}

/// What the directory has instead, so that the next step is clear.
std::string present_instead(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator entry(directory, failure), end; !failure && entry != end; entry.increment(failure)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::string text = names.empty() ? "the directory is empty" : "it has " + join(names);
  const bool has_other = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.ends_with(".h5") || name.ends_with(".msgpack") || name.ends_with(".onnx") || name.ends_with(".ckpt");
  });
  if (has_other) text += " (weights of TensorFlow, Flax and ONNX are not read)";
  return text;
}

}  // namespace

NamedTensors read_checkpoint(const fs::path& directory, std::vector<fs::path>& files) {
  if (const fs::path path = found_in(directory); !path.empty()) {
    if (path.extension() == ".json") return read_shards(path, files);
    files.push_back(path);
    return read_one(path);
  }
  std::error_code failure;
  if (!fs::is_directory(directory, failure)) throw Error(not_found(directory));
  throw Error(fmt::format("{}: has no weights: needs {}; {}", directory.string(), fmt::join(kNames, " or "),
                          present_instead(directory)));
}

bool has_checkpoint(const fs::path& directory) { return !found_in(directory).empty(); }

}  // namespace plugtune::formats
