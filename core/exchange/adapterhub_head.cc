// adapterhub_head.cc - the prediction heads that AdapterHub's library saves beside an adapter (heads/base.py of 1.3.0).
#include "exchange/adapterhub_head.h"

#include <fmt/format.h>

#include "exchange/json_config.h"
#include "exchange/tensor_files.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "plugtune/error.h"

namespace plugtune::exchange {
namespace {

constexpr const char* kHeadConfig = "head_config.json";
constexpr const char* kVersion = "adapters.1.3.0";
constexpr int64_t kMostLabels = 1'000'000;

/// label2id in the order of the ids. Throws Error when they are not 0, 1, 2, ...
std::vector<std::string> labels_of(const Json& config, int64_t count, const std::string& subject) {
  std::vector<std::string> labels(static_cast<size_t>(count));
  const auto at = config.find("label2id");
  if (at == config.end() || at->is_null()) return {};
  bool is_whole = at->is_object() && at->size() == labels.size();
  for (const auto& [label, id] : at->items()) {
    const bool fits = is_whole && id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<int64_t>() < count;
    is_whole = fits && labels[id.get<size_t>()].empty();
    if (is_whole) labels[id.get<size_t>()] = label;
  }
  if (!is_whole) {
    throw Error(fmt::format("{}: 'label2id' must give {} labels the numbers 0 to {}, got {}", subject, count, count - 1,
                            at->dump()));
  }
  return labels;
}

/// What the head computes must be what ours does.
void check_head_config(const Json& config, int64_t layers, bool use_pooler, const std::string& subject) {
  if ((layers == 1) != use_pooler || layers < 1 || layers > 2) {
    throw Error(
        fmt::format("{}: a head of {} layers {} the pooler is not one that is known here; expected one layer with "
                    "use_pooler, or two "
                    "without",
                    subject, layers, use_pooler ? "with" : "without"));
  }
  const std::string activation = string_of(config, "activation_function", subject, "tanh");
  if (layers == 2 && activation != "tanh") {
    throw Error(
        fmt::format("{}: 'activation_function' must be \"tanh\" (the pooler's), got \"{}\"", subject, activation));
  }
  if (!boolean_of(config, "bias", subject, true))
    throw Error(fmt::format("{}: 'bias' must be true, a head without bias is not known here", subject));
}

/// The head of a model class of transformers, which is in no dictionary of heads: {"config": null, "num_labels": 2, ...}.
void read_static_head(const std::filesystem::path& directory, const Json& json, ForeignFiles& files, bool is_optional) {
  const std::string subject = (directory / kHeadConfig).string();
  const std::string model = string_of(json, "model_class", subject, "");
  if (model != "BertForSequenceClassification") {
    const std::string text = fmt::format("{}: the head of a {} is not known here", subject, model);
    if (!is_optional) throw Error(text + "; expected that of a BertForSequenceClassification");
    files.notes.push_back(text + ", it is left out");
    return;
  }
  const int64_t count = integer_of(json, "num_labels", subject, 2);
  if (count < 1 || count > kMostLabels) throw Error(fmt::format("{}: 'num_labels' cannot be {}", subject, count));
  files.labels = labels_of(json, count, subject);
  files.task = task_of_outputs(count);
  const TensorFile file = read_tensor_file(directory, {"pytorch_model_head.bin", "model_head.safetensors"});
  for (const auto& [key, tensor] : file.tensors) {
    if (key != "classifier.weight" && key != "classifier.bias")
      throw Error(fmt::format("{}: tensor '{}' is not part of the head of a {}", file.path, key, model));
    files.head.emplace(key, tensor);
  }
  check_head(files, file.path);
  if (files.head.empty() || files.head.at("classifier.weight").size(0) != count)
    throw Error(fmt::format("{}: 'num_labels' is {}, {} has another head", subject, count, file.path));
}

}  // namespace

bool has_head(const std::filesystem::path& directory) { return std::filesystem::exists(directory / kHeadConfig); }

void read_head(const std::filesystem::path& directory, ForeignFiles& files, bool is_optional) {
  const std::string subject = (directory / kHeadConfig).string();
  const Json json = read_object(directory / kHeadConfig);
  if (json.contains("config") && json.at("config").is_null())
    return read_static_head(directory, json, files, is_optional);
  const Json config = json.value("config", Json::object());
  if (!config.is_object()) throw Error(fmt::format("{}: 'config' must be an object, got {}", subject, config.dump()));
  const std::string kind = string_of(config, "head_type", subject);
  const bool is_multi_label = kind == "multilabel_classification";
  if (kind != "classification" && !is_multi_label) {
    const std::string text = fmt::format("{}: a head of type {} is not known here", subject, kind);
    if (!is_optional) throw Error(text + "; expected classification or multilabel_classification");
    files.notes.push_back(text + ", it is left out");
    return;
  }
  const int64_t layers = integer_of(config, "layers", subject, 2), count = integer_of(config, "num_labels", subject, 2);
  check_head_config(config, layers, boolean_of(config, "use_pooler", subject, false), subject);
  if (count < 1 || count > kMostLabels) throw Error(fmt::format("{}: 'num_labels' cannot be {}", subject, count));
  files.labels = labels_of(config, count, subject);
  files.task = is_multi_label ? TaskKind::kMultiLabel : task_of_outputs(count);

  const std::string name = string_of(json, "name", subject);
  const TensorFile file = read_tensor_file(directory, {"pytorch_model_head.bin", "model_head.safetensors"});
  const std::string prefix = "heads." + name + ".";
  std::map<std::string, std::string> ours;
  if (layers == 2) {
    ours = {{"1.weight", "pooler.dense.weight"},
            {"1.bias", "pooler.dense.bias"},
            {"4.weight", "classifier.weight"},
            {"4.bias", "classifier.bias"}};
  } else {
    ours = {{"1.weight", "classifier.weight"}, {"1.bias", "classifier.bias"}};
  }
  for (const auto& [key, tensor] : file.tensors) {
    const auto at = key.starts_with(prefix) ? ours.find(key.substr(prefix.size())) : ours.end();
    if (at == ours.end()) throw Error(fmt::format("{}: tensor '{}' is not part of head '{}'", file.path, key, name));
    files.head.emplace(at->second, tensor);
  }
  if (files.head.size() != ours.size())
    throw Error(
        fmt::format("{}: must have {} tensors of head '{}', has {}", file.path, ours.size(), name, files.head.size()));
  check_head(files, file.path);
  if (files.head.at("classifier.weight").size(0) != count) {
    throw Error(fmt::format("{}: 'num_labels' is {}, but {} has {} outputs", subject, count, file.path,
                            files.head.at("classifier.weight").size(0)));
  }
}

SortedJson framed(const SortedJson& config, const ForeignFiles& files, const std::string& name) {
  return {{"config", config},
          {"hidden_size", files.hidden_size},
          {"model_class", "BertAdapterModel"},
          {"model_name", files.base},
          {"model_type", "bert"},
          {"name", name},
          {"version", kVersion}};
}

void write_head(formats::AtomicDirectory& directory, const std::string& subdirectory, const ForeignFiles& files,
                const std::string& name, bool safetensors) {
  const bool has_pooler = files.head.contains("pooler.dense.weight");
  SortedJson labels = SortedJson::object();
  for (size_t i = 0; i < files.labels.size(); ++i)
    labels[files.labels[i]] = i;
  const bool is_multi_label = files.task == TaskKind::kMultiLabel;
  const SortedJson config = {{"activation_function", "tanh"},
                             {"bias", true},
                             {"dropout_prob", nullptr},
                             {"head_type", is_multi_label ? "multilabel_classification" : "classification"},
                             {"label2id", labels},
                             {"layers", has_pooler ? 2 : 1},
                             {"num_labels", files.head.at("classifier.weight").size(0)},
                             {"use_pooler", !has_pooler}};
  const std::string prefix = "heads." + name + ".";
  formats::NamedTensors tensors;
  for (const char* part : {"weight", "bias"}) {
    const std::string suffix = std::string(".") + part;
    tensors.emplace(prefix + (has_pooler ? "4" : "1") + suffix, files.head.at("classifier" + suffix));
    if (has_pooler) tensors.emplace(prefix + "1" + suffix, files.head.at("pooler.dense" + suffix));
  }
  directory.write(subdirectory + kHeadConfig, python_json(framed(config, files, name)));
  formats::OutputFile output =
      directory.create(subdirectory + (safetensors ? "model_head.safetensors" : "pytorch_model_head.bin"));
  safetensors ? formats::write_safetensors(output, tensors) : formats::write_torch_file(output, tensors);
  output.close();
}

}  // namespace plugtune::exchange
