// adapterhub.cc - the directories of AdapterHub's library (adapters 1.3) and of adapter-transformers 1-3 (loading.py of both).
#include "exchange/adapterhub.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <regex>
#include <utility>

#include "exchange/adapterhub_head.h"
#include "exchange/compose.h"
#include "exchange/json_config.h"
#include "exchange/tensor_files.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "plugtune/error.h"

namespace plugtune::exchange {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAdapterConfig = "adapter_config.json";
constexpr const char* kFusionConfig = "adapter_fusion_config.json";
constexpr const char* kSetup = "adapter_setup.json";
constexpr const char* kModern = "adapters.";  // how versions of the library begin; its predecessor's do not

bool has(const fs::path& directory, const char* file) { return fs::exists(directory / file); }

/// A configuration file of the library, with what it says of its base kept in `files`.
struct Described {
  std::string subject, name, version;
  Json json;
};

Described describe(const fs::path& file, ForeignFiles& files) {
  Described described{file.string(), "", "", read_object(file)};
  const Json& json = described.json;
  const std::string type = string_of(json, "model_type", described.subject, "bert");
  if (type != "bert") throw Error(fmt::format("{}: is for models of type {}, not for BERT", described.subject, type));
  described.name = string_of(json, "name", described.subject);
  described.version = string_of(json, "version", described.subject, "");
  const int64_t hidden = integer_of(json, "hidden_size", described.subject, 0);
  if (files.hidden_size != 0 && hidden != 0 && hidden != files.hidden_size) {
    throw Error(fmt::format("{}: is for hidden size {}, the others beside it are for {}", described.subject, hidden,
                            files.hidden_size));
  }
  files.hidden_size = std::max(files.hidden_size, hidden);
  if (files.base.empty()) files.base = string_of(json, "model_name", described.subject, "");
  return described;
}

/// Names of adapter-transformers 1-3 as those of today.
std::string modern_name(const std::string& key) {
  static const std::regex kContainer(R"(\.(attention|layer)_text_(task|lang)_adapters\.)");
  static const std::regex kInvertible(R"((^|\.)invertible_lang_adapters\.)");
  return std::regex_replace(std::regex_replace(key, kContainer, ".adapters."), kInvertible, "$1invertible_adapters.");
}

std::vector<std::pair<std::string, Tensor>> encoder_tensors(const TensorFile& file, bool is_legacy) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [key, tensor] : file.tensors)
    tensors.emplace_back(without_prefix(is_legacy ? modern_name(key) : key, "bert."), tensor);
  return tensors;
}

/// Versions before 1.1.0 trained updates without their scale alpha / r. As the library's loading.py, which leaves unions as they are.
void take_scale_as_trained(ForeignAdapter& adapter, const std::string& version) {
  int major = 0, minor = 0;
  if (std::sscanf(version.c_str(), "adapters.%d.%d", &major, &minor) != 2) return;  // adapter-transformers
  if (std::pair(major, minor) >= std::pair(1, 1)) return;
  const std::optional<double> alpha = number_at(adapter.config, "alpha"), rank = number_at(adapter.config, "r");
  if (!alpha || !rank || *alpha == *rank) return;
  adapter.config.set("alpha", {*rank});
  adapter.notes.push_back(
      fmt::format("adapters before 1.1.0 trained without the scale alpha / r (this file is of {}): alpha is taken as "
                  "{} instead of {}",
                  version, *rank, *alpha));
}

std::vector<ForeignAdapter> read_single(const fs::path& directory, ForeignFiles& files) {
  const Described described = describe(directory / kAdapterConfig, files);
  const auto at = described.json.find("config");
  if (at == described.json.end() || !at->is_object())
    throw Error(fmt::format("{}: 'config' must be the object with the adapter's settings", described.subject));
  // As the library: its own default first, although both may be there.
  const TensorFile file = read_tensor_file(directory, {"pytorch_adapter.bin", "adapter.safetensors"});
  const bool is_union = string_of(*at, "architecture", described.subject, "") == "union";
  std::vector<ForeignAdapter> adapters;
  for (const Json& config : is_union ? at->value("configs", Json::array()) : Json::array({*at})) {
    ForeignAdapter adapter{"adapterhub",
                           described.name,
                           config_from(config),
                           encoder_tensors(file, !described.version.starts_with(kModern)),
                           {},
                           {}};
    if (string_of(described.json, "type", described.subject, "") == "text_lang")
      check_language_adapter(adapter, file.path);
    if (!is_union) take_scale_as_trained(adapter, described.version);
    adapter.config.set("version", {described.version});
    adapters.push_back(std::move(adapter));
  }
  order_union(adapters);
  return adapters;
}

std::vector<std::string> member_names(const Described& described) {
  std::vector<std::string> names;
  if (const auto at = described.json.find("adapter_names"); at != described.json.end() && at->is_array()) {
    for (const Json& name : *at)
      names.push_back(name.is_string() ? name.get<std::string>() : name.dump());
    return names;
  }
  for (size_t begin = 0; begin <= described.name.size();) {
    const size_t end = std::min(described.name.find(',', begin), described.name.size());
    names.push_back(described.name.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

fs::path member_directory(const fs::path& fusion, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..") {
    throw Error(fmt::format("{}: '{}' cannot be the name of a member", (fusion / kFusionConfig).string(), name));
  }
  for (const fs::path& directory : {fusion / name, fusion.parent_path() / name, fusion / ".." / name}) {
    if (has(directory, kAdapterConfig)) return directory;
  }
  throw Error(fmt::format("{}: member '{}' is not there; expected {} in {} or beside it", fusion.string(), name,
                          kAdapterConfig, (fusion / name).string()));
}

ForeignAdapter read_fusion(const fs::path& directory, ForeignFiles& files) {
  const Described described = describe(directory / kFusionConfig, files);
  const auto at = described.json.find("config");
  if (at == described.json.end() || !at->is_object())
    throw Error(fmt::format("{}: 'config' must be the object with the fusion's settings", described.subject));
  const TensorFile file =
      read_tensor_file(directory, {"pytorch_model_adapter_fusion.bin", "model_adapter_fusion.safetensors"});
  ForeignAdapter fusion{"adapterhub", described.name, config_from(*at), encoder_tensors(file, false), {}, {}};
  fusion.config.set("version", {described.version});
  for (const std::string& name : member_names(described)) {
    std::vector<ForeignAdapter> member = read_single(member_directory(directory, name), files);
    if (member.size() != 1) throw Error(fmt::format("{}: member '{}' is a union of methods", described.subject, name));
    fusion.members.push_back(std::move(member.front()));
  }
  return fusion;
}

/// The names of a composition block whose children are single adapters.
std::vector<std::string> children(const Json& block, const std::string& subject) {
  std::vector<std::string> names;
  for (const Json& child : block.value("children", Json::array())) {
    const bool is_single = child.is_object() && child.value("type", "") == "single" && child.contains("children") &&
                           child["children"].is_array() && child["children"].size() == 1 &&
                           child["children"][0].is_string();
    if (!is_single) {
      throw Error(fmt::format("{}: a {} of compositions is not known here, got {}; expected single adapters in it",
                              subject, block.value("type", ""), child.dump()));
    }
    names.push_back(child["children"][0].get<std::string>());
  }
  return names;
}

/// Adds the adapters of a block that is no stack, in the order in which they are applied, to `files`. @return the block's name
std::string read_block(const fs::path& directory, const Json& block, const std::string& subject, ForeignFiles& files) {
  const std::string type = block.is_object() ? string_of(block, "type", subject) : "";
  if (type == "Fuse") {
    const std::string name = join(children(block, subject), ",");
    files.adapters.push_back(read_fusion(directory / name, files));
    return name;
  }
  if (type != "single") {
    throw Error(fmt::format(
        "{}: a composition of type '{}' is not known here; expected a Stack of single adapters and Fuse, or "
        "one of these",
        subject, type));
  }
  const std::string name = children(Json{{"type", "Stack"}, {"children", Json::array({block})}}, subject).front();
  for (ForeignAdapter& adapter : read_single(member_directory(directory, name), files))
    files.adapters.push_back(std::move(adapter));
  return name;
}

ForeignFiles read_setup(const fs::path& directory) {
  const std::string subject = (directory / kSetup).string();
  const Json json = read_object(directory / kSetup);
  const Json block = json.value("adapter_setup", Json::object());
  ForeignFiles files;
  files.format = "adapterhub";
  std::vector<std::string> names;
  const bool is_stack = block.is_object() && block.value("type", "") == "Stack";
  for (const Json& child : is_stack ? block.value("children", Json::array()) : Json::array({block}))
    names.push_back(read_block(directory, child, subject, files));
  if (names.empty()) throw Error(fmt::format("{}: is a Stack of no adapters", subject));
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::count(names.begin(), names.end(), names[i]) > 1)
      throw Error(fmt::format("{}: adapter '{}' is there twice", subject, names[i]));
  }
  drop_unused_invertible(files.adapters);
  check_stack(files.adapters, subject);
  files.name = join(names, "-");
  const std::string head = string_of(json, "head_setup", subject, "");
  if (!head.empty()) read_head(directory / head, files, /*is_optional=*/false);
  return files;
}

/// A directory that holds a fusion and its members side by side, as the library's save_all calls leave it.
std::optional<fs::path> only_fusion_below(const fs::path& directory) {
  std::vector<fs::path> found;
  if (!fs::is_directory(directory)) return std::nullopt;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_directory() && has(entry.path(), kFusionConfig)) found.push_back(entry.path());
  }
  return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
}

void write_tensors(formats::AtomicDirectory& directory, const std::string& file,
                   const std::vector<std::pair<std::string, Tensor>>& tensors) {
  formats::NamedTensors named;
  for (const auto& [name, tensor] : tensors)
    named.emplace("bert." + name, tensor);
  formats::OutputFile output = directory.create(file);
  file.ends_with(".safetensors") ? formats::write_safetensors(output, named) : formats::write_torch_file(output, named);
  output.close();
}

SortedJson without_version(const ForeignAdapter& adapter) {
  SortedJson config = json_from(adapter.config);
  config.erase("version");
  return config;
}

/// One adapter of the library. @param parts  one for each of its methods
void write_single(formats::AtomicDirectory& directory, const std::string& subdirectory,
                  const std::vector<ForeignAdapter>& parts, const ForeignFiles& files, bool safetensors) {
  const std::string& name = parts.front().name;
  SortedJson config = without_version(parts.front());
  std::vector<std::pair<std::string, Tensor>> tensors = parts.front().tensors;
  if (parts.size() > 1) {
    config = {{"architecture", "union"}, {"configs", SortedJson::array()}};
    tensors.clear();
    for (const ForeignAdapter& part : parts) {
      config["configs"].push_back(without_version(part));
      tensors.insert(tensors.end(), part.tensors.begin(), part.tensors.end());
    }
  }
  directory.write(subdirectory + kAdapterConfig, python_json(framed(config, files, name)));
  write_tensors(directory, subdirectory + (safetensors ? "adapter.safetensors" : "pytorch_adapter.bin"), tensors);
}

SortedJson single_block(const std::string& name) {
  return {{"type", "single"}, {"children", SortedJson::array({name})}};
}

/// A fusion in a directory of its own, and its members in theirs. @return its block of a set-up
SortedJson write_fusion(formats::AtomicDirectory& directory, const ForeignAdapter& fusion, const ForeignFiles& files,
                        bool safetensors) {
  SortedJson names = SortedJson::array(), singles = SortedJson::array();
  for (const ForeignAdapter& member : fusion.members) {
    write_single(directory, member.name + "/", {member}, files, safetensors);
    names.push_back(member.name);
    singles.push_back(single_block(member.name));
  }
  SortedJson config = framed(without_version(fusion), files, fusion.name);
  config["adapter_names"] = names;
  const std::string subdirectory = fusion.name + "/";
  directory.write(subdirectory + kFusionConfig, python_json(config));
  write_tensors(directory,
                subdirectory + (safetensors ? "model_adapter_fusion.safetensors" : "pytorch_model_adapter_fusion.bin"),
                fusion.tensors);
  return {{"type", "Fuse"}, {"children", singles}};
}

std::vector<ForeignAdapter> parts_of(const std::vector<ForeignAdapter>& adapters, const Layer& layer) {
  const auto first = adapters.begin() + static_cast<std::ptrdiff_t>(layer.first);
  return {first, first + static_cast<std::ptrdiff_t>(layer.count)};
}

/// A set-up: a fusion, or a stack of adapters and fusions. The head lies beside the last of them.
void write_setup(formats::AtomicDirectory& directory, const ForeignFiles& files, bool safetensors) {
  SortedJson blocks = SortedJson::array();
  for (const Layer& layer : layers_of(files.adapters)) {
    const std::vector<ForeignAdapter> parts = parts_of(files.adapters, layer);
    if (!parts.front().members.empty()) {
      blocks.push_back(write_fusion(directory, parts.front(), files, safetensors));
    } else {
      write_single(directory, parts.front().name + "/", parts, files, safetensors);
      blocks.push_back(single_block(parts.front().name));
    }
  }
  const std::string& last = files.adapters.back().name;
  const SortedJson setup = {
      {"adapter_setup", blocks.size() == 1 ? blocks.front() : SortedJson{{"type", "Stack"}, {"children", blocks}}},
      {"head_setup", files.head.empty() ? SortedJson(nullptr) : SortedJson(last)},
      {"version", framed(SortedJson::object(), files, last)["version"]}};
  directory.write(kSetup, python_json(setup));
  if (!files.head.empty()) write_head(directory, last + "/", files, last, safetensors);
}

}  // namespace

bool is_adapterhub(const fs::path& directory) {
  return has(directory, kSetup) || has(directory, kFusionConfig) || has(directory, kAdapterConfig) ||
         has_head(directory) || only_fusion_below(directory).has_value();
}

ForeignFiles read_adapterhub(const fs::path& directory) {
  if (has(directory, kSetup)) return read_setup(directory);
  ForeignFiles files;
  files.format = "adapterhub";
  fs::path head = directory;
  if (has(directory, kFusionConfig)) {
    files.adapters.push_back(read_fusion(directory, files));
  } else if (has(directory, kAdapterConfig)) {
    files.adapters = read_single(directory, files);
    check_stack(files.adapters, (directory / kAdapterConfig).string());
  } else if (has_head(directory)) {
    files.adapters.push_back({"hf", "", ConfigNode{ConfigNode::Table{}}, {}, {}, {}});  // nothing but a head
    const Json json = read_object(directory / "head_config.json");
    files.base = string_of(json, "model_name", (directory / "head_config.json").string(), "");
    files.name = directory.filename().string();
    read_head(directory, files, /*is_optional=*/false);
    return files;
  } else {
    head = *only_fusion_below(directory);
    files.adapters.push_back(read_fusion(head, files));
  }
  files.name = files.adapters.empty() ? "" : files.adapters.front().name;
  if (has_head(head)) read_head(head, files, /*is_optional=*/true);
  return files;
}

void write_adapterhub(formats::AtomicDirectory& directory, const ForeignFiles& files, bool safetensors) {
  const ForeignAdapter& adapter = files.adapters.front();
  if (!adapter.members.empty() || layers_of(files.adapters).size() > 1)
    return write_setup(directory, files, safetensors);
  if (adapter.format == "adapterhub") write_single(directory, "", files.adapters, files, safetensors);
  if (!files.head.empty()) write_head(directory, "", files, adapter.name, safetensors);
}

}  // namespace plugtune::exchange
