// foreign_files.cc - which library a directory is of.
#include "exchange/foreign_files.h"

#include <fmt/format.h>

#include "exchange/adapterhub.h"
#include "exchange/json_config.h"
#include "exchange/peft.h"
#include "formats/atomic_file.h"
#include "formats/bert_weights.h"
#include "formats/model_directory.h"
#include "plugtune/error.h"

namespace plugtune::exchange {
namespace {

constexpr const char* kClassifier = "BertForSequenceClassification";

/// Heads for tokens and for choices are called `classifier` too, and answer something else.
void check_architecture(const std::filesystem::path& directory) {
  const Json config = read_object(directory / "config.json");
  const auto names = config.find("architectures");
  if (names == config.end() || !names->is_array()) return;
  for (const auto& name : *names) {
    if (name != "BertForTokenClassification" && name != "BertForMultipleChoice") continue;
    throw Error(fmt::format("{}: is a {}, whose head is not for whole texts; expected {}", directory.string(),
                            name.get<std::string>(), kClassifier));
  }
}

/// A checkpoint with a classification head: a base that nothing is added to, and a head.
ForeignFiles read_checkpoint(const std::filesystem::path& directory) {
  const formats::BertConfig config = formats::read_bert_config(directory);
  const formats::BertWeights weights = formats::read_bert_weights(directory, config);
  if (weights.head.empty()) {
    throw Error(
        fmt::format("{}: is a model without a classification head; there is nothing to import, name it as "
                    "model.path of an experiment",
                    directory.string()));
  }
  check_architecture(directory);
  ForeignFiles files;
  files.format = "hf";
  files.name = directory.filename().string();
  files.base = directory.string();
  files.hidden_size = config.hidden_size;
  files.head = weights.head;
  files.labels = config.labels;
  if (config.problem_type == "regression" && config.labels.size() != 1) {
    throw Error(fmt::format("{}: is a regression of {} numbers; one can be taken over", directory.string(),
                            config.labels.size()));
  }
  files.task = config.problem_type == "multi_label_classification" ? TaskKind::kMultiLabel
                                                                   : task_of_outputs(std::ssize(config.labels));
  ForeignAdapter adapter;
  adapter.format = files.format;
  adapter.config = config_from(config_json(config, kClassifier));
  files.adapters.push_back(std::move(adapter));
  return files;
}

}  // namespace

TaskKind task_of_outputs(int64_t outputs) { return outputs == 1 ? TaskKind::kRegression : TaskKind::kClassification; }

std::string resolve_foreign(const std::string& name) {
  const formats::FoundDirectory found = formats::find_directory(name);
  if (found.directory.empty()) {
    throw Error(fmt::format(
        "{}: not found; expected a directory that another library saved, or its name in the Hugging Face cache. "
        "Looked in{}",
        name, found.looked));
  }
  return found.directory.string();
}

ForeignFiles read_foreign(const std::filesystem::path& directory) {
  if (is_peft(directory)) return read_peft(directory);
  if (is_adapterhub(directory)) return read_adapterhub(directory);
  if (std::filesystem::exists(directory / "config.json")) return read_checkpoint(directory);
  throw Error(fmt::format(
      "{}: is of no library that is known here; expected adapter_config.json (peft or AdapterHub), "
      "adapter_fusion_config.json, adapter_setup.json or head_config.json (AdapterHub), or config.json (Hugging Face)",
      directory.string()));
}

void write_foreign(const std::filesystem::path& directory, const ForeignFiles& files, bool safetensors) {
  formats::AtomicDirectory building(directory);
  if (files.format == "peft") {
    write_peft(building, files);
  } else {
    write_adapterhub(building, files, safetensors);
  }
  building.commit();
}

}  // namespace plugtune::exchange
