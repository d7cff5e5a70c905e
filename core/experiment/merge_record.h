#pragma once
// merge_record.h - DIR/unmerge/: what a merged directory keeps of its base, so that the base's exact bits can be written again.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "formats/atomic_file.h"
#include "formats/named_tensors.h"

namespace plugtune::experiment {

/// The names in a merged directory. A folder of their own: libraries that take every *.safetensors they see do not look there.
struct MergePaths {
  explicit MergePaths(std::filesystem::path merged) : root(std::move(merged)) {}

  std::filesystem::path root;
  std::filesystem::path record() const { return root / "unmerge" / "unmerge.json"; }
  std::filesystem::path kept() const { return root / "unmerge" / "kept.safetensors"; }
  std::filesystem::path config() const { return root / "unmerge" / "config.json"; }
};

/// The base of a merge, as its files have it.
struct MergeBase {
  std::filesystem::path config;  ///< its config.json
  std::vector<std::filesystem::path>
      tokenizer;                  ///< its other files, which the merged directory has under the same names
  formats::NamedTensors tensors;  ///< every tensor, in its own type and by its own name
  std::map<std::string, std::string> metadata{};  ///< of its safetensors file
};

/// unmerge.json.
struct MergeRecord {
  std::string run;                      ///< the name of the run that was merged
  std::vector<std::string> strategies;  ///< "lora 1.0.0"
  std::string base_path, base_fingerprint;

  /// Where a tensor of the base is now.
  struct Source {
    std::string sha256;  ///< of the base's tensor: type, shape and bytes
    std::string kept;    ///< a tensor of kept.safetensors; "": the merged weights have its numbers,
    std::string merged;  ///< under this name,
    std::string type;    ///< and this is the base's type: F32, BF16 or F16
  };
  std::map<std::string, Source> base;                ///< by the base's names
  std::map<std::string, std::string> base_metadata;  ///< of its safetensors file
  std::map<std::string, std::string> merged;         ///< SHA-256 of the merged tensors, by name
  std::map<std::string, std::string> files;          ///< SHA-256 of what is copied: unmerge/config.json, vocab.txt, ...
};

/// How much of the base had to be kept beside the merged weights.
struct KeptOfBase {
  size_t kept = 0, tensors = 0;
  uint64_t bytes = 0;
};

/// Adds unmerge/ to a merged directory that is being written. A tensor of the base whose numbers are among the merged ones is
/// not kept again, whatever its name and type.
/// @param record  its run, strategies and base_*: the rest is found out here
KeptOfBase write_merge_record(formats::AtomicDirectory& directory, MergeRecord record, const MergeBase& base,
                              const formats::NamedTensors& merged);

/// True for a directory that has a record.
bool has_merge_record(const std::filesystem::path& merged);

/// Throws Error: no such directory, not merged with a record, damaged, from a newer version.
MergeRecord read_merge_record(const std::filesystem::path& merged);

/// The base, every tensor with the bits that it had. Throws Error, listing what it is about: the merged weights or the
/// tokenizer's files were changed since, the kept tensors are missing or damaged.
MergeBase read_base_of_merged(const std::filesystem::path& merged, const MergeRecord& record);

}  // namespace plugtune::experiment
