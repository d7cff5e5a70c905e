#pragma once
// adapterhub_head.h - the prediction heads that AdapterHub's library saves beside an adapter.

#include <filesystem>
#include <string>

#include "exchange/foreign_files.h"
#include "exchange/json_config.h"
#include "formats/atomic_file.h"

namespace plugtune::exchange {

bool has_head(const std::filesystem::path& directory);

/// Reads head_config.json and its weights into `files`: head, task, labels. A head of another kind than classification is left
/// out with a note when `is_optional`, else refused.
///
/// One layer on the pooler is the classifier. Two layers (dense, tanh, dense on the first row's state) are a pooler of their
/// own and the classifier. Throws Error for everything else.
void read_head(const std::filesystem::path& directory, ForeignFiles& files, bool is_optional);

/// Writes the head of `files` under `name` into the subdirectory ("" = the directory itself).
void write_head(formats::AtomicDirectory& directory, const std::string& subdirectory, const ForeignFiles& files,
                const std::string& name, bool safetensors);

/// The fields that stand in every configuration of the library, around its "config".
SortedJson framed(const SortedJson& config, const ForeignFiles& files, const std::string& name);

}  // namespace plugtune::exchange
