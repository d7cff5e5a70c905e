// open.cc - weights into sites and back.
#include "model/open.h"

#include <fmt/format.h>

#include "formats/bert_weights.h"
#include "formats/fingerprint.h"
#include "plugtune/error.h"

namespace plugtune::model {
namespace {

const char* problem_type(TaskKind kind) {
  switch (kind) {
    case TaskKind::kMultiLabel:
      return "multi_label_classification";
    case TaskKind::kRegression:
      return "regression";
    default:
      return "single_label_classification";
  }
}

BertOptions options_of(const formats::BertConfig& config, const Task& task, bool next_sentence) {
  BertOptions options;
  options.layers = config.num_hidden_layers;
  options.hidden_size = config.hidden_size;
  options.heads = config.num_attention_heads;
  options.head_size = config.head_size();
  options.feed_forward_size = config.intermediate_size;
  options.vocabulary_size = config.vocab_size;
  options.max_positions = config.max_position_embeddings;
  options.hidden_dropout = config.hidden_dropout_prob;
  options.attention_dropout = config.attention_probs_dropout_prob;
  options.layer_norm_eps = config.layer_norm_eps;
  options.initializer_range = config.initializer_range;
  options.activation = config.hidden_act;
  options.token_types = config.type_vocab_size;
  options.pad_id = config.pad_token_id.value_or(0);
  options.classifier_dropout = config.head_dropout();
  options.task = task.kind;
  options.next_sentence = next_sentence;
  options.labels = task.kind == TaskKind::kRegression ? 1
                   : task.kind == TaskKind::kText     ? config.vocab_size
                                                      : static_cast<int64_t>(task.labels.size());
  return options;
}

/// The directory's own head fits when it was made for the same labels; unnamed ones (LABEL_0, ..) fit by their number.
bool head_fits(const formats::BertConfig& config, const formats::BertWeights& weights, const Task& task) {
  if (weights.head.empty()) return false;
  if (task.kind == TaskKind::kRegression) return config.labels.size() == 1;
  if (config.labels.size() != task.labels.size() || config.labels.size() == 1) return false;
  return config.labels == task.labels || config.labels.front() == "LABEL_0";
}

/// The head that training starts from, empty when the directory has none for the task.
formats::NamedTensors head_of(const OpenedModel& opened, const formats::BertWeights& weights, const std::string& path,
                              const Task& task) {
  if (task.kind == TaskKind::kText) return weights.language_head(path);
  return head_fits(opened.config, weights, task) ? weights.head : formats::NamedTensors{};
}

/// The next-sentence head, empty when the directory has none.
formats::NamedTensors next_sentence_head_of(const formats::BertWeights& weights) {
  formats::NamedTensors head;
  for (const auto& [name, tensor] : weights.pretraining)
    if (name.starts_with("cls.seq_relationship.")) head.emplace(name, tensor);
  return head.size() == 2 ? head : formats::NamedTensors{};
}

/// Parameters become the tensors themselves: a mapped file is not copied.
void take(Bert& bert, const formats::NamedTensors& weights) {
  torch::NoGradGuard no_grad;
  for (auto& [name, parameter] : bert.own_parameters()) {
    const auto at = weights.find(name);
    if (at != weights.end()) parameter.set_data(at->second);
  }
}

void take_weights(OpenedModel& opened, const formats::BertWeights& weights, const std::string& path, const Task& task) {
  const bool is_language = task.kind == TaskKind::kText;
  const bool next_sentence = opened.bert->options().next_sentence;
  const formats::NamedTensors head = head_of(opened, weights, path, task);
  const formats::NamedTensors next_head = next_sentence ? next_sentence_head_of(weights) : formats::NamedTensors{};
  const bool new_next_head = next_sentence && next_head.empty();
  opened.new_pooler = (!is_language || next_sentence) && weights.pooler_is_missing;
  opened.new_head = head.empty() || new_next_head;
  take(*opened.bert, weights.encoder);
  if (opened.new_pooler) {
    opened.bert->reset_pooler();
    opened.notes.push_back(
        fmt::format("{} has no pooler (a masked-LM checkpoint): a new one is made and trained", path));
  }
  if (opened.new_head) opened.bert->reset_head();
  take(*opened.bert, head);
  take(*opened.bert, next_head);
  if (!is_language && !opened.new_head)
    opened.notes.push_back(fmt::format("{} has a head for these labels: training starts from it", path));
  if (is_language && head.empty())
    opened.notes.push_back(fmt::format("{} has no masked-LM head: a new one is made and trained", path));
  if (new_next_head)
    opened.notes.push_back(fmt::format("{} has no next-sentence head: a new one is made and trained", path));
  if (!weights.ignored.empty()) {
    opened.notes.push_back(fmt::format("not used of {}: {}", path, join(formats::fold_layers(weights.ignored))));
  }
}

Tensor stored(const std::string& name, const Tensor& value, torch::ScalarType type) {
  const Tensor rounded = value.to(type);
  if (type != torch::kFloat32 && !rounded.isfinite().all().item<bool>() && value.isfinite().all().item<bool>())
    throw Error(fmt::format("{}: {} is more than {} can hold; write bf16 or fp32", name,
                            value.abs().max().item<double>(), type == torch::kHalf ? "fp16" : "bf16"));
  return rounded;
}

}  // namespace

OpenedModel open_model(const std::string& path, bool random_init, const Task& task, bool next_sentence,
                       std::optional<double> dropout) {
  OpenedModel opened;
  opened.directory = formats::resolve_model(path);
  opened.config = formats::read_bert_config(opened.directory);
  BertOptions options = options_of(opened.config, task, next_sentence);
  if (dropout) options.hidden_dropout = options.attention_dropout = options.classifier_dropout = *dropout;
  opened.bert = std::make_shared<Bert>(options);
  formats::NamedTensors encoder;
  if (random_init) {
    opened.bert->reset_parameters();
    for (const auto& [name, parameter] : opened.bert->base_parameters())
      encoder.emplace(name, parameter);
  } else {
    formats::BertWeights weights = formats::read_bert_weights(opened.directory, opened.config);
    take_weights(opened, weights, path, task);
    encoder = std::move(weights.encoder);
  }
  opened.fingerprint = formats::fingerprint(opened.config, encoder);
  opened.bert->freeze_base();
  if (task.kind == TaskKind::kText) {
    opened.config.tie_word_embeddings = true;  // as it was read
    opened.config.problem_type.clear();
  } else {
    opened.config.labels = task.kind == TaskKind::kRegression ? std::vector<std::string>{"LABEL_0"} : task.labels;
    opened.config.problem_type = problem_type(task.kind);
  }
  return opened;
}

void write_model(const OpenedModel& opened, const std::filesystem::path& directory, const formats::AddFiles& add_files,
                 torch::ScalarType type) {
  const std::vector<std::string> patched = opened.bert->patched_sites();
  TORCH_CHECK(patched.empty(), "write_model: sites still have patches: ", join(patched));
  formats::BertWeights weights;
  for (const auto& [name, parameter] : opened.bert->own_parameters()) {
    const Tensor tensor = stored(name, parameter.detach(), type);
    if (!is_head_parameter(name)) {
      weights.encoder.emplace(name, tensor);
    } else if (!name.starts_with("cls.")) {
      weights.head.emplace(name, tensor);
    } else {
      weights.pretraining.emplace(name == "cls.predictions.decoder.bias" ? "cls.predictions.bias" : name, tensor);
    }
  }
  formats::write_model_directory(directory, opened.config, weights, formats::tokenizer_files(opened.directory),
                                 add_files);
}

}  // namespace plugtune::model
