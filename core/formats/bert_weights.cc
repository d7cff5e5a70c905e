// bert_weights.cc - the weights of a Hugging Face BERT directory under one set of names.
#include "formats/bert_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "formats/checkpoint_files.h"
#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::formats {

namespace {

using Shape = std::vector<int64_t>;
using Shapes = std::map<std::string, Shape>;

/// Names of before 2019 and of training wrappers -> the names of today.
std::string canonical_name(std::string name) {
  if (name.starts_with("module.")) name.erase(0, 7);  // DataParallel
  if (name.starts_with("bert.")) name.erase(0, 5);
  if (name.ends_with("LayerNorm.gamma")) name.replace(name.size() - 5, 5, "weight");
  if (name.ends_with("LayerNorm.beta")) name.replace(name.size() - 4, 4, "bias");
  return name;
}

Shapes pretraining_shapes(const BertConfig& config) {
  const int64_t H = config.hidden_size, V = config.vocab_size;
  return {{"cls.predictions.bias", {V}},
          {"cls.predictions.transform.dense.weight", {H, H}},
          {"cls.predictions.transform.dense.bias", {H}},
          {"cls.predictions.transform.LayerNorm.weight", {H}},
          {"cls.predictions.transform.LayerNorm.bias", {H}},
          {"cls.predictions.decoder.weight", {V, H}},
          {"cls.predictions.decoder.bias", {V}},
          {"cls.seq_relationship.weight", {2, H}},
          {"cls.seq_relationship.bias", {2}}};
}

Shapes head_shapes(const BertConfig& config) {
  const auto labels = static_cast<int64_t>(config.labels.size());
  return {{"classifier.weight", {labels, config.hidden_size}}, {"classifier.bias", {labels}}};
}

bool is_pooler(const std::string& name) { return name.starts_with("pooler."); }

/// Sorts the tensors of the files into `weights` and gathers what does not belong.
class Sorter {
 public:
  Sorter(const BertConfig& config, BertWeights& weights)
      : encoder_(encoder_shapes(config)),
        head_(head_shapes(config)),
        pretraining_(pretraining_shapes(config)),
        weights_(weights) {}

  void add(const std::string& key, const Tensor& tensor) {
    const std::string name = canonical_name(key);
    if (name == "embeddings.position_ids") {
      weights_.ignored.push_back(key);
    } else if (name.starts_with("cls.")) {
      add_optional(key, name, tensor, pretraining_, weights_.pretraining);
    } else if (name.starts_with("classifier.")) {
      add_optional(key, name, tensor, head_, weights_.head);
    } else if (const auto shape = encoder_.find(name); shape == encoder_.end()) {
      unexpected_.push_back(key);
    } else if (tensor.sizes() != torch::IntArrayRef(shape->second)) {
      found_.insert(name);
      wrong_.push_back(
          fmt::format("{} must be {}, got {}", name, shape_text(shape->second), shape_text(tensor.sizes())));
    } else if (!tensor.is_floating_point()) {
      found_.insert(name);
      wrong_.push_back(
          fmt::format("{} must have floating-point numbers, got {}", name, c10::toString(tensor.scalar_type())));
    } else if (!found_.insert(name).second) {
      twice_.push_back(name);
    } else {
      weights_.encoder.emplace(name, widened(tensor));
    }
  }

  /// @param subject  the directory.
  void finish(const std::string& subject, const BertConfig& config) {
    std::vector<std::string> missing;
    for (const auto& [name, shape] : encoder_) {
      if (!found_.contains(name)) missing.push_back(name);
    }
    if (missing.size() == 2 && is_pooler(missing[0]) && is_pooler(missing[1])) {
      weights_.pooler_is_missing = true;
      missing.clear();
    }
    if (weights_.head.size() == 1) {  // half a head is none
      weights_.ignored.push_back(weights_.head.begin()->first);
      weights_.head.clear();
    }
    std::string problems =
        list("missing", missing) + list("unexpected", unexpected_) + list("wrong", wrong_) + list("twice", twice_);
    if (problems.empty()) return;
    throw Error(fmt::format("{}: the weights are not those of config.json ({} layers, hidden_size {}){}", subject,
                            config.num_hidden_layers, config.hidden_size, problems));
  }

 private:
  void add_optional(const std::string& key, const std::string& name, const Tensor& tensor, const Shapes& shapes,
                    NamedTensors& to) {
    const auto shape = shapes.find(name);
    const bool fits =
        shape != shapes.end() && tensor.sizes() == torch::IntArrayRef(shape->second) && tensor.is_floating_point();
    if (!fits || !to.emplace(name, widened(tensor)).second) weights_.ignored.push_back(key);
  }

  static Tensor widened(const Tensor& tensor) { return tensor.to(torch::kFloat); }

  static std::string list(std::string_view what, const std::vector<std::string>& keys) {
    std::string lines;
    for (const std::string& key : fold_layers(keys))
      lines += fmt::format("\n  {}: {}", what, key);
    return lines;
  }

  Shapes encoder_, head_, pretraining_;
  BertWeights& weights_;
  std::set<std::string> found_;
  std::vector<std::string> unexpected_, wrong_, twice_;
};

/// "0-3,5" of sorted numbers.
std::string ranges(const std::set<int64_t>& numbers) {
  std::string text;
  for (auto number = numbers.begin(); number != numbers.end(); ++number) {
    const int64_t first = *number;
    while (std::next(number) != numbers.end() && *std::next(number) == *number + 1)
      ++number;
    text += fmt::format("{}{}", text.empty() ? "" : ",", first);
    if (*number != first) text += fmt::format("-{}", *number);
  }
  return text;
}

}  // namespace

std::map<std::string, std::vector<int64_t>> encoder_shapes(const BertConfig& config) {
  const int64_t H = config.hidden_size, F = config.intermediate_size;
  Shapes shapes;
  const auto norm = [&](const std::string& name) { shapes[name + ".weight"] = {H}, shapes[name + ".bias"] = {H}; };
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    shapes[name + ".weight"] = {out, in}, shapes[name + ".bias"] = {out};
  };
  shapes["embeddings.word_embeddings.weight"] = {config.vocab_size, H};
  shapes["embeddings.position_embeddings.weight"] = {config.max_position_embeddings, H};
  shapes["embeddings.token_type_embeddings.weight"] = {config.type_vocab_size, H};
  norm("embeddings.LayerNorm");
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = fmt::format("encoder.layer.{}.", layer);
    for (const char* name : {"query", "key", "value"})
      linear(prefix + "attention.self." + name, H, H);
    linear(prefix + "attention.output.dense", H, H);
    norm(prefix + "attention.output.LayerNorm");
    linear(prefix + "intermediate.dense", F, H);
    linear(prefix + "output.dense", H, F);
    norm(prefix + "output.LayerNorm");
  }
  linear("pooler.dense", H, H);
  return shapes;
}

std::vector<std::string> fold_layers(const std::vector<std::string>& keys) {
  constexpr std::string_view kLayer = ".layer.";
  std::vector<std::string> order;  // before the number + '\n' + after it; '\n' is in no key that we name
  std::map<std::string, std::set<int64_t>> layers;
  for (const std::string& key : keys) {
    const size_t at = key.find(kLayer);
    const size_t digits = at == std::string::npos ? key.size() : at + kLayer.size();
    const size_t end = std::min(key.find_first_not_of("0123456789", digits), key.size());
    const bool has_layer = end > digits && end - digits <= 6;
    const std::string form = has_layer ? key.substr(0, digits) + '\n' + key.substr(end) : key;
    if (!layers.contains(form)) order.push_back(form);
    layers[form];
    if (has_layer) layers[form].insert(std::stoll(key.substr(digits, end - digits)));
  }
  for (std::string& form : order) {
    const std::set<int64_t>& numbers = layers.at(form);
    if (numbers.empty()) continue;
    const std::string text = ranges(numbers);
    form.replace(form.find('\n'), 1, numbers.size() == 1 ? text : "{" + text + "}");
  }
  return order;
}

NamedTensors BertWeights::language_head(const std::string& subject) const {
  constexpr const char *kDecoder = "cls.predictions.decoder.weight", *kBias = "cls.predictions.decoder.bias",
                       *kOtherBias = "cls.predictions.bias", *kWords = "embeddings.word_embeddings.weight";
  const auto differs = [&](const char* name, const NamedTensors& tensors, const char* other) {
    const auto own = pretraining.find(name), tied = tensors.find(other);
    return own != pretraining.end() && tied != tensors.end() && !torch::equal(own->second, tied->second);
  };
  std::vector<std::string> problems;
  const auto refuse = [&](const char* name, const char* other) {
    problems.push_back(
        fmt::format("{}: {} differs from {}; only masked-LM heads whose decoder is tied to the word embedding are read",
                    subject, name, other));
  };
  if (differs(kDecoder, encoder, kWords)) refuse(kDecoder, kWords);
  if (differs(kBias, pretraining, kOtherBias)) refuse(kBias, kOtherBias);
  if (!problems.empty()) throw Error(problems);

  NamedTensors head;
  for (const char* name : {"transform.dense.weight", "transform.dense.bias", "transform.LayerNorm.weight",
                           "transform.LayerNorm.bias", "decoder.bias"}) {
    auto at = pretraining.find(std::string("cls.predictions.") + name);
    if (at == pretraining.end() && name == std::string_view("decoder.bias")) at = pretraining.find(kOtherBias);
    if (at == pretraining.end()) return {};
    head.emplace(std::string("cls.predictions.") + name, at->second);
  }
  return head;
}

BertWeights read_bert_weights(const std::filesystem::path& directory, const BertConfig& config) {
  BertWeights weights;
  Sorter sorter(config, weights);
  for (const auto& [key, tensor] : read_checkpoint(directory, weights.files))
    sorter.add(key, tensor);
  sorter.finish(directory.string(), config);
  return weights;
}

}  // namespace plugtune::formats
