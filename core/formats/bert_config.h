#pragma once
// bert_config.h - config.json of a Hugging Face BERT directory, checked: what is not computed exactly is refused by name.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace plugtune::formats {

/// The values that decide what the model computes. Defaults are those of transformers.
struct BertConfig {
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  std::string hidden_act = "gelu";  ///< gelu (erf), gelu_new, relu, silu or tanh; "swish" is read as silu
  double hidden_dropout_prob = 0.1;
  double attention_probs_dropout_prob = 0.1;
  int64_t max_position_embeddings = 512;
  int64_t type_vocab_size = 2;
  double initializer_range = 0.02;
  double layer_norm_eps = 1e-12;
  std::optional<int64_t> pad_token_id = 0;
  std::string position_embedding_type = "absolute";  ///< no other is accepted
  std::optional<double> classifier_dropout;
  bool tie_word_embeddings = true;  ///< the masked-LM decoder is the word embedding

  std::vector<std::string> labels{"LABEL_0", "LABEL_1"};  ///< id2label in the order of the ids
  std::string problem_type;  ///< regression, single_label_classification, multi_label_classification or "" (not stated)

  nlohmann::json original = nlohmann::json::object();  ///< every key as it was read, for writing the directory again

  double head_dropout() const { return classifier_dropout.value_or(hidden_dropout_prob); }
  int64_t head_size() const { return hidden_size / num_attention_heads; }
};

/// Reads DIRECTORY/config.json. Throws Error with all problems of the file: wrong types and ranges, another model_type,
/// decoders, relative positions, activations, pruned or quantised models.
BertConfig read_bert_config(const std::filesystem::path& directory);

/// The same from text. @param subject  the path that messages name.
BertConfig parse_bert_config(const std::string& text, const std::string& subject);

/// `original` with the values of the struct in place: what config.json gets when the directory is written.
/// @param architecture  transformers' class for these weights, such as "BertForSequenceClassification".
nlohmann::json config_json(const BertConfig& config, const std::string& architecture);

}  // namespace plugtune::formats
