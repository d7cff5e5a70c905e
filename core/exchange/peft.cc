// peft.cc - the directories of peft 0.21's save_pretrained.
#include "exchange/peft.h"

#include <fmt/format.h>

#include <algorithm>

#include "exchange/json_config.h"
#include "exchange/tensor_files.h"
#include "formats/safetensors.h"
#include "plugtune/error.h"

namespace plugtune::exchange {
namespace {

constexpr const char* kPeftConfig = "adapter_config.json";
constexpr const char* kModel = "base_model.model.";
constexpr const char* kTuner =
    "base_model.";  // of what is in no module: the head beside kPrompt, matrices that modules share
constexpr const char* kPrompt = "prompt_embeddings";

bool is_classifier(const std::string& name) { return name == "classifier.weight" || name == "classifier.bias"; }
bool is_pooler(const std::string& name) { return name == "pooler.dense.weight" || name == "pooler.dense.bias"; }

/// What bias = "all" leaves of the wrapper around the classifier; the classifier itself is there too.
bool is_stray(const std::string& name) {
  return name == "classifier.modules_to_save.bias" || name == "classifier.original_module.bias";
}

/// modules_to_save may name the head and the pooler. Throws Error for anything else.
bool saves_pooler(const Json& config, const std::string& subject) {
  bool pooler = false;
  const auto at = config.find("modules_to_save");
  if (at == config.end() || at->is_null()) return false;
  if (!at->is_array()) throw Error(fmt::format("{}: 'modules_to_save' must be a list, got {}", subject, at->dump()));
  for (const Json& element : *at) {
    const std::string name = element.is_string() ? element.get<std::string>() : element.dump();
    const bool is_head = name == "classifier" || name == "score";
    const bool is_its_pooler = name == "pooler" || name == "bert.pooler" || name == "pooler.dense";
    if (!is_head && !is_its_pooler) {
      throw Error(fmt::format("{}: 'modules_to_save' names '{}'; only the classifier and the pooler can be taken over",
                              subject, name));
    }
    pooler |= is_its_pooler;
  }
  return pooler;
}

}  // namespace

bool is_peft(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / kPeftConfig;
  return std::filesystem::exists(file) && read_object(file).contains("peft_type");
}

ForeignFiles read_peft(const std::filesystem::path& directory) {
  const std::string subject = (directory / kPeftConfig).string();
  const Json config = read_object(directory / kPeftConfig);
  ForeignFiles files;
  files.format = "peft";
  files.base = string_of(config, "base_model_name_or_path", subject, "");
  files.revision = string_of(config, "revision", subject, "");
  if (files.revision == "main") files.revision.clear();
  const bool pooler_is_head = saves_pooler(config, subject);

  ForeignAdapter adapter;
  adapter.format = files.format;
  adapter.config = config_from(config);
  const TensorFile file = read_tensor_file(directory, {"adapter_model.safetensors", "adapter_model.bin"});
  std::vector<std::string> problems;
  for (const auto& [key, tensor] : file.tensors) {
    std::string name = key;
    if (key.starts_with(kModel)) {
      name = without_prefix(key.substr(std::string(kModel).size()), "bert.");
    } else if (key.starts_with(kTuner)) {
      name = key.substr(std::string(kTuner).size());
    } else if (key != kPrompt) {
      problems.push_back(fmt::format("{}: tensor '{}' does not begin with '{}'", file.path, key, kModel));
      continue;
    }
    if (is_stray(name)) continue;
    if (is_classifier(name) || (pooler_is_head && is_pooler(name))) {
      files.head.emplace(name, tensor);
    } else {
      adapter.tensors.emplace_back(name, tensor);
    }
  }
  if (!problems.empty()) throw Error(problems);
  files.adapters.push_back(std::move(adapter));
  check_head(files, file.path);
  const std::string task = string_of(config, "task_type", subject, "");
  if (task == "SEQ_CLS" && files.head.empty()) {
    throw Error(fmt::format("{}: has task_type SEQ_CLS, but {} has no 'classifier.weight'", subject, file.path));
  }
  if (!task.empty() && task != "SEQ_CLS" && task != "FEATURE_EXTRACTION") {
    throw Error(fmt::format("{}: has task_type {}; only SEQ_CLS and FEATURE_EXTRACTION are for encoders with one head",
                            subject, task));
  }
  return files;
}

void write_peft(formats::AtomicDirectory& directory, const ForeignFiles& files) {
  const ForeignAdapter& adapter = files.adapters.front();
  const bool is_prompt = adapter.tensors.size() == 1 && adapter.tensors.front().first == kPrompt;
  const bool has_pooler = files.head.contains("pooler.dense.weight");
  if (is_prompt && has_pooler) {
    throw Error(
        "peft: methods that are one tensor of prompt embeddings have no room for a trained pooler; train with "
        "task.train_pooler = \"no\", or merge");
  }
  if (is_prompt && files.head.empty()) {
    throw Error(
        "peft: has no masked-LM model that prompts are put in front of; methods that are one tensor of prompt "
        "embeddings can be written for classification only");
  }
  SortedJson config = json_from(adapter.config);
  config["base_model_name_or_path"] = files.base;
  config["task_type"] = "SEQ_CLS";
  if (files.head.empty()) config["task_type"] = config["modules_to_save"] = nullptr;  // any model, as it is
  if (has_pooler) config["modules_to_save"] = {"pooler", "classifier", "score"};
  formats::NamedTensors tensors;
  for (const auto& [name, tensor] : adapter.tensors) {
    const bool is_in_module = name.find('.') != std::string::npos;
    const std::string prefix = is_in_module ? std::string(kModel) + "bert." : name == kPrompt ? "" : kTuner;
    tensors.emplace(prefix + name, tensor);
  }
  for (const auto& [name, tensor] : files.head) {
    const std::string prefix = is_prompt ? kTuner : std::string(kModel) + (is_pooler(name) ? "bert." : "");
    tensors.emplace(prefix + name, tensor);
  }
  formats::OutputFile output = directory.create("adapter_model.safetensors");
  formats::write_safetensors(output, tensors, {{"format", "pt"}});
  output.close();
  directory.write(kPeftConfig, python_json(config));
}

}  // namespace plugtune::exchange
