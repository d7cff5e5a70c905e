#pragma once
// tensor_files.h - the weight file of a foreign directory, and checks that all of its readers share.

#include <filesystem>
#include <string>
#include <vector>

#include "exchange/foreign_files.h"
#include "formats/named_tensors.h"

namespace plugtune::exchange {

struct TensorFile {
  std::string path;
  formats::NamedTensors tensors;
};

/// The first of `names` that exists, safetensors or a torch pickle. Throws Error when there is none, or the file is damaged.
TensorFile read_tensor_file(const std::filesystem::path& directory, const std::vector<std::string>& names);

/// `text` without `prefix`, if it begins so.
std::string without_prefix(const std::string& text, const std::string& prefix);

/// That the head in `files` is whole: classifier.weight (labels, H) and .bias (labels), the pooler's both or none.
void check_head(const ForeignFiles& files, const std::string& subject);

}  // namespace plugtune::exchange
