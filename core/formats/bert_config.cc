// bert_config.cc - config.json of a Hugging Face BERT directory, checked.
#include "formats/bert_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/strict_json.h"
#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

using nlohmann::json;

/// Reads typed values and gathers every problem: a person repairs a file once.
class ConfigReader {
 public:
  ConfigReader(const std::string& text, const std::string& subject) : text_(text), subject_(subject) {
    config_.original = parse_json(text, subject);
    if (!config_.original.is_object()) throw Error(fmt::format("{}: must be a JSON object", subject));
  }

  BertConfig read() {
    // Nothing else in the file means what we would take it for.
    if (has("model_type") && root()["model_type"] != "bert") {
      problem("model_type", fmt::format("must be \"bert\", got {}", root()["model_type"].dump()));
      throw Error(std::move(problems_));
    }
    read_sizes();
    read_numbers();
    refuse_what_is_not_computed();
    read_labels();
    if (!problems_.empty()) throw Error(std::move(problems_));
    return std::move(config_);
  }

 private:
  void read_sizes() {
    whole("vocab_size", config_.vocab_size, 1, 100'000'000);
    whole("hidden_size", config_.hidden_size, 1, 65'536);
    whole("num_hidden_layers", config_.num_hidden_layers, 1, 1'000);
    whole("num_attention_heads", config_.num_attention_heads, 1, 65'536);
    whole("intermediate_size", config_.intermediate_size, 1, 1'000'000);
    whole("max_position_embeddings", config_.max_position_embeddings, 1, 10'000'000);
    whole("type_vocab_size", config_.type_vocab_size, 1, 100'000);
    if (problems_.empty() && config_.hidden_size % config_.num_attention_heads != 0) {
      problem("hidden_size", fmt::format("must be divisible by num_attention_heads ({}), got {}",
                                         config_.num_attention_heads, config_.hidden_size));
    }
    config_.pad_token_id = 0;
    if (root().contains("pad_token_id") && root()["pad_token_id"].is_null()) {
      config_.pad_token_id.reset();
    } else {
      whole("pad_token_id", *config_.pad_token_id, 0, std::max<int64_t>(config_.vocab_size - 1, 0));
    }
  }

  void read_numbers() {
    number("hidden_dropout_prob", config_.hidden_dropout_prob, 0, 1);
    number("attention_probs_dropout_prob", config_.attention_probs_dropout_prob, 0, 1);
    number("initializer_range", config_.initializer_range, 0, 10);
    number("layer_norm_eps", config_.layer_norm_eps, 0, 1);
    if (has("classifier_dropout")) {
      config_.classifier_dropout = 0;
      number("classifier_dropout", *config_.classifier_dropout, 0, 1);
    }
    flag("tie_word_embeddings", config_.tie_word_embeddings);
  }

  void refuse_what_is_not_computed() {
    one_of("hidden_act", config_.hidden_act, {"gelu", "gelu_new", "relu", "silu", "swish", "tanh"});
    if (config_.hidden_act == "swish") config_.hidden_act = "silu";
    one_of("position_embedding_type", config_.position_embedding_type, {"absolute"});
    for (const char* key : {"is_decoder", "add_cross_attention", "is_encoder_decoder"}) {
      bool is_set = false;
      flag(key, is_set);
      if (is_set) problem(key, "must be false (only encoders are trained), got true");
    }
    if (has("quantization_config")) {
      problem("quantization_config", "quantised weights are not read; use the model's original");
    }
    if (has("pruned_heads") && !root()["pruned_heads"].empty()) {
      problem("pruned_heads",
              fmt::format("models with pruned heads are not read, got {}", root()["pruned_heads"].dump()));
    }
  }

  /// id2label {"0": name, ..} without gaps; without it num_labels names of the form LABEL_n.
  void read_labels() {
    int64_t count = 0;
    if (has("num_labels")) whole("num_labels", count, 1, 1'000'000);
    if (has("id2label")) {
      read_label_names();
      if (count > 0 && problems_.empty() && count != static_cast<int64_t>(config_.labels.size())) {
        problem("num_labels",
                fmt::format("must be {}, the number of entries in id2label, got {}", config_.labels.size(), count));
      }
    } else if (count > 0) {
      config_.labels.clear();
      for (int64_t id = 0; id < count; ++id)
        config_.labels.push_back(fmt::format("LABEL_{}", id));
    }
    if (has("problem_type")) {
      one_of("problem_type", config_.problem_type,
             {"regression", "single_label_classification", "multi_label_classification"});
    }
  }

  void read_label_names() {
    const json& names = root()["id2label"];
    config_.labels.clear();
    if (!names.is_object()) {
      return problem("id2label", fmt::format("must be an object of id and name, got {}", names.dump()));
    }
    for (size_t id = 0; id < names.size(); ++id) {
      const auto name = names.find(std::to_string(id));
      if (name == names.end() || !name->is_string()) {
        return problem("id2label", fmt::format("must have a name for each of the ids 0 to {}, got {}", names.size() - 1,
                                               names.dump()));
      }
      config_.labels.push_back(name->get<std::string>());
    }
    if (config_.labels.empty()) problem("id2label", "must have at least one label, got none");
  }

  void whole(const char* key, int64_t& value, int64_t lowest, int64_t highest) {
    if (!root().contains(key)) return;
    const json& given = root()[key];
    const bool fits = given.is_number_integer() && !(given.is_number_unsigned() && given.get<uint64_t>() > INT64_MAX);
    if (!fits || given.get<int64_t>() < lowest || given.get<int64_t>() > highest) {
      return problem(key, fmt::format("must be a whole number between {} and {}, got {}", grouped(lowest),
                                      grouped(highest), given.dump()));
    }
    value = given.get<int64_t>();
  }

  void number(const char* key, double& value, double lowest, double below) {
    if (!root().contains(key)) return;
    const json& given = root()[key];
    if (!given.is_number() || !(given.get<double>() >= lowest) || !(given.get<double>() < below)) {
      return problem(key,
                     fmt::format("must be a number of at least {} and below {}, got {}", lowest, below, given.dump()));
    }
    value = given.get<double>();
  }

  void flag(const char* key, bool& value) {
    if (!has(key)) return;
    if (!root()[key].is_boolean()) {
      return problem(key, fmt::format("must be true or false, got {}", root()[key].dump()));
    }
    value = root()[key].get<bool>();
  }

  void one_of(const char* key, std::string& value, const std::vector<std::string>& known) {
    if (!root().contains(key)) return;
    const json& given = root()[key];
    if (!given.is_string() || std::find(known.begin(), known.end(), given.get<std::string>()) == known.end()) {
      return problem(
          key, fmt::format("must be {}{}, got {}", known.size() == 1 ? "" : "one of ", join(known), given.dump()));
    }
    value = given.get<std::string>();
  }

  const json& root() const { return config_.original; }
  bool has(const char* key) const { return root().contains(key) && !root()[key].is_null(); }

  void problem(const char* key, const std::string& what) {
    problems_.push_back(fmt::format("{}: {} ({}:{})", key, what, subject_, line_of_key(text_, key)));
  }

  const std::string& text_;
  const std::string& subject_;
  BertConfig config_;
  std::vector<std::string> problems_;
};

}  // namespace

BertConfig parse_bert_config(const std::string& text, const std::string& subject) {
  return ConfigReader(text, subject).read();
}

BertConfig read_bert_config(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  return parse_bert_config(read_text(path), path.string());
}

json config_json(const BertConfig& config, const std::string& architecture) {
  json result = config.original;
  result["model_type"] = "bert";
  result["architectures"] = {architecture};
  result["dtype"] = "float32";
  result.erase("torch_dtype");  // the name before transformers 5; two names for one thing could disagree
  result["vocab_size"] = config.vocab_size;
  result["hidden_size"] = config.hidden_size;
  result["num_hidden_layers"] = config.num_hidden_layers;
  result["num_attention_heads"] = config.num_attention_heads;
  result["intermediate_size"] = config.intermediate_size;
  result["hidden_act"] = config.hidden_act;
  result["hidden_dropout_prob"] = config.hidden_dropout_prob;
  result["attention_probs_dropout_prob"] = config.attention_probs_dropout_prob;
  result["max_position_embeddings"] = config.max_position_embeddings;
  result["type_vocab_size"] = config.type_vocab_size;
  result["initializer_range"] = config.initializer_range;
  result["layer_norm_eps"] = config.layer_norm_eps;
  result["pad_token_id"] = config.pad_token_id ? json(*config.pad_token_id) : json(nullptr);
  result["position_embedding_type"] = config.position_embedding_type;
  result["classifier_dropout"] = config.classifier_dropout ? json(*config.classifier_dropout) : json(nullptr);
  result["tie_word_embeddings"] = config.tie_word_embeddings;

  result.erase("num_labels");  // follows from id2label
  json id2label = json::object(), label2id = json::object();
  for (size_t id = 0; id < config.labels.size(); ++id) {
    id2label[std::to_string(id)] = config.labels[id];
    label2id[config.labels[id]] = id;
  }
  result["id2label"] = id2label;
  result["label2id"] = label2id;
  result.erase("problem_type");
  if (!config.problem_type.empty()) result["problem_type"] = config.problem_type;
  return result;
}

}  // namespace plugtune::formats
