// model_directory.cc - finds a Hugging Face model directory and writes one that transformers loads.
#include "formats/model_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "formats/atomic_file.h"
#include "formats/safetensors.h"
#include "formats/strict_json.h"
#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace fs = std::filesystem;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The directory of the cache, and which setting decided it.
struct Cache {
  fs::path directory;
  std::string decided_by;
};

Cache hub_cache() {
  if (const std::string cache = environment("HF_HUB_CACHE"); !cache.empty()) return {cache, "HF_HUB_CACHE"};
  if (const std::string home = environment("HF_HOME"); !home.empty()) return {fs::path(home) / "hub", "HF_HOME"};
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return {fs::path(cache) / "huggingface/hub", "XDG_CACHE_HOME"};
  }
  return {fs::path(environment("HOME")) / ".cache/huggingface/hub", "set HF_HOME to change it"};
}

/// org/name <-> models--org--name.
std::string cache_folder(std::string name) {
  if (const size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return "models--" + name;
}

std::vector<std::string> cached_models(const fs::path& cache) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator entry(cache, failure), end; !failure && entry != end; entry.increment(failure)) {
    std::string name = entry->path().filename().string();
    if (!name.starts_with("models--")) continue;
    name.erase(0, std::string_view("models--").size());
    if (const size_t dashes = name.find("--"); dashes != std::string::npos) name.replace(dashes, 2, "/");
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Names of the hub: one or two parts. Anything else is a path and not looked up.
bool could_be_hub_name(const std::string& name) {
  return !name.empty() && name.find("..") == std::string::npos && std::count(name.begin(), name.end(), '/') <= 1 &&
         name.front() != '/' && name.front() != '.' && name.back() != '/';
}

/// Looks for refs/main and the snapshot that it names; says in `state` what was there.
bool find_snapshot(const std::string& name, const fs::path& cache, fs::path& snapshot, std::string& state) {
  std::error_code failure;
  const fs::path folder = cache / cache_folder(name);
  if (!fs::is_directory(cache, failure)) {
    state = "does not exist";
  } else if (!fs::is_directory(folder, failure)) {
    const auto names = cached_models(cache);
    state = names.empty() ? "is empty" : "has " + join(names);
  } else if (!fs::is_regular_file(folder / "refs/main", failure)) {
    state = fmt::format("has {}, but no refs/main in it: its download never finished", folder.filename().string());
  } else {
    std::string commit = read_text(folder / "refs/main", /*max_bytes=*/1000);
    commit.erase(std::min(commit.find_first_of(" \r\n"), commit.size()));
    snapshot = folder / "snapshots" / commit;
    if (!commit.empty() && commit.find('/') == std::string::npos && fs::is_directory(snapshot, failure)) return true;
    state =
        fmt::format("has {}, but not its snapshot {}: its download never finished", folder.filename().string(), commit);
  }
  return false;
}

/// Names of transformers' classes and the prefix of the encoder in them.
struct Architecture {
  std::string name, encoder_prefix;
};

Architecture architecture_of(const BertWeights& weights) {
  if (!weights.head.empty()) return {"BertForSequenceClassification", "bert."};
  if (weights.pretraining.contains("cls.seq_relationship.weight")) return {"BertForPreTraining", "bert."};
  if (!weights.pretraining.empty()) return {"BertForMaskedLM", "bert."};
  return {"BertModel", ""};
}

NamedTensors keys_for(const Architecture& architecture, const BertConfig& config, const BertWeights& weights) {
  NamedTensors tensors;
  const bool has_pooler = architecture.name != "BertForMaskedLM";
  for (const auto& [name, tensor] : weights.encoder) {
    if (has_pooler || !name.starts_with("pooler.")) tensors[architecture.encoder_prefix + name] = tensor;
  }
  TORCH_INTERNAL_ASSERT(!has_pooler || weights.encoder.contains("pooler.dense.weight"), architecture.name,
                        " needs a pooler");
  if (architecture.name == "BertForSequenceClassification") {
    tensors.insert(weights.head.begin(), weights.head.end());
    return tensors;
  }
  tensors.insert(weights.pretraining.begin(), weights.pretraining.end());
  if (config.tie_word_embeddings) {
    tensors.erase("cls.predictions.decoder.weight");
    tensors.erase("cls.predictions.decoder.bias");
  } else if (const auto bias = tensors.find("cls.predictions.bias"); bias != tensors.end()) {
    tensors.try_emplace("cls.predictions.decoder.bias",
                        bias->second);  // files of older versions have it once, untied or not
  }
  return tensors;
}

}  // namespace

FoundDirectory find_directory(const std::string& name) {
  std::error_code failure;
  if (fs::is_directory(name, failure)) return {name, ""};
  const bool is_file = fs::exists(name, failure);
  FoundDirectory found;
  found.looked = fmt::format("\n  {}: {} (working directory {}){}", name,
                             is_file ? "is a file, not a directory" : "no such directory",
                             fs::current_path(failure).string(), is_file ? "" : neighbour_hint(name));
  if (could_be_hub_name(name)) {
    const Cache cache = hub_cache();
    fs::path snapshot;
    std::string state;
    if (find_snapshot(name, cache.directory, snapshot, state)) return {snapshot, ""};
    found.looked += fmt::format("\n  {}: {} ({})", cache.directory.string(), state, cache.decided_by);
  }
  return found;
}

fs::path resolve_model(const std::string& name) {
  const FoundDirectory found = find_directory(name);
  if (found.directory.empty()) throw Error(fmt::format("model '{}': not found. Looked in{}", name, found.looked));
  return found.directory;
}

std::vector<fs::path> tokenizer_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code failure;
  for (const char* name :
       {"vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    if (fs::is_regular_file(directory / name, failure)) files.push_back(directory / name);
  }
  return files;
}

void write_model_directory(const fs::path& directory, const BertConfig& config, const BertWeights& weights,
                           const std::vector<fs::path>& files, const AddFiles& add_files) {
  const Architecture architecture = architecture_of(weights);
  AtomicDirectory target(directory);
  for (const fs::path& file : files)
    target.copy(file, file.filename().string());
  target.write("config.json", config_json(config, architecture.name).dump(/*indent=*/2) + "\n");
  const NamedTensors tensors = keys_for(architecture, config, weights);
  OutputFile output = target.create("model.safetensors");
  write_safetensors(output, tensors, {{"format", "pt"}});
  output.close();
  if (add_files) add_files(target, tensors);
  target.commit();
}

}  // namespace plugtune::formats
