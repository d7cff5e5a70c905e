#pragma once
// golden.h - the peers' numbers (tests/golden/README.md) and the tiny model that they were made with.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "formats/safetensors.h"
#include "model/bert.h"

namespace plugtune::testing {

inline std::filesystem::path golden_path() { return std::filesystem::path(PLUGTUNE_SOURCE_DIR) / "tests" / "golden"; }

/// One case: tensors and how far the peer itself is from float64.
class Golden {
 public:
  explicit Golden(const std::string& name)
      : tensors_(formats::SafetensorsFile::open(golden_path() / name / "golden.safetensors").tensors()) {
    std::ifstream file(golden_path() / name / "case.json");
    case_ = nlohmann::json::parse(file);
  }
  const formats::NamedTensors& tensors() const { return tensors_; }
  const nlohmann::json& description() const { return case_; }
  Tensor at(const std::string& key) const { return tensors_.at(key).clone(); }
  double rounding(const std::string& key) const {
    const auto& entry = case_.at("tensors").at(key);
    return entry.contains("rounding") && !entry["rounding"].is_null() ? entry["rounding"].get<double>() : 0.0;
  }

  /// Batch "a" or "b". Positions count from 0 in each sequence. Of masked LM: as it is seen, with the rows to be guessed.
  model::Input input(const std::string& batch) const {
    const Tensor lengths = at(batch + "/lengths");
    std::vector<int64_t> rows(lengths.data_ptr<int64_t>(), lengths.data_ptr<int64_t>() + lengths.numel());
    std::vector<Tensor> positions;
    for (const int64_t length : rows)
      positions.push_back(torch::arange(length));
    const bool has_rows = tensors_.contains(batch + "/rows");
    return {at(batch + "/ids"), at(batch + "/types"), torch::cat(positions), Layout(rows),
            has_rows ? at(batch + "/rows") : Tensor()};
  }

 private:
  formats::NamedTensors tensors_;
  nlohmann::json case_;
};

inline double largest(const Tensor& tensor) {
  return tensor.numel() == 0 ? 0.0 : tensor.to(torch::kFloat64).abs().max().item<double>();
}

/// |actual - golden| <= relative * max|golden| + 4 * rounding.
inline ::testing::AssertionResult near(const Tensor& actual, const Tensor& golden, double rounding,
                                       double relative = 1e-5) {
  if (!actual.defined()) return ::testing::AssertionFailure() << "undefined tensor";
  if (actual.sizes() != golden.sizes())
    return ::testing::AssertionFailure() << "shape " << actual.sizes() << ", golden " << golden.sizes();
  const double difference = largest(actual.detach().to(torch::kFloat64) - golden.to(torch::kFloat64));
  const double allowed = relative * largest(golden) + 4 * rounding;
  if (difference <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "differs by " << difference << ", allowed " << allowed;
}

inline ::testing::AssertionResult near_golden(const Golden& golden, const std::string& key, const Tensor& actual,
                                              double relative = 1e-5) {
  auto result = near(actual, golden.at(key), golden.rounding(key), relative);
  return result ? result : result << " (" << key << ")";
}

/// tests/golden/tiny with a head for `task` (a masked-LM head stays zero); everything frozen but nothing trained yet. Dropout 0.
inline std::shared_ptr<model::Bert> tiny_model(TaskKind task = TaskKind::kClassification, int64_t labels = 3,
                                               const std::string& activation = "gelu", bool next_sentence = false) {
  model::BertOptions options;
  options.layers = 2;
  options.hidden_size = 32;
  options.heads = 4;
  options.head_size = 8;
  options.feed_forward_size = 64;
  options.vocabulary_size = 100;
  options.max_positions = 64;
  options.layer_norm_eps = 1e-12;
  options.initializer_range = 0.02;
  options.activation = activation;
  options.task = task;
  options.labels = labels;
  options.next_sentence = next_sentence;
  auto bert = std::make_shared<model::Bert>(options);
  torch::NoGradGuard no_grad;
  const auto weights = formats::SafetensorsFile::open(golden_path() / "tiny" / "model.safetensors").tensors();
  for (auto& [name, parameter] : bert->own_parameters()) {
    const std::string key = name.starts_with("classifier.") ? name : "bert." + name;
    if (name.starts_with("cls.")) continue;
    parameter.copy_(weights.at(key).slice(0, 0, parameter.size(0)));
  }
  bert->eval();
  return bert;
}

}  // namespace plugtune::testing
