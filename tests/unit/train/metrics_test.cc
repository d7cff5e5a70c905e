// metrics_test.cc - metrics and schedules against scikit-learn, scipy and transformers (tests/golden/generate_metrics.py).
#include "train/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "plugtune/error.h"
#include "train/flat_optimizer.h"
#include "train/schedule.h"

namespace plugtune::train {
namespace {

nlohmann::json golden() {
  std::ifstream file(std::string(PLUGTUNE_SOURCE_DIR) + "/tests/golden/metrics.json");
  return nlohmann::json::parse(file);
}

Tensor matrix(const nlohmann::json& rows) {
  std::vector<Tensor> tensors;
  for (const auto& row : rows)
    tensors.push_back(torch::tensor(row.get<std::vector<double>>(), torch::kFloat32));
  return torch::stack(tensors);
}

TEST(Metrics, OfMaskedLmAreOverTheChosenTokens) {
  const Metrics metrics = language_metrics(/*loss=*/1.5, /*correct=*/3, /*tokens=*/8);
  EXPECT_EQ(metrics.at("loss"), 1.5);
  EXPECT_EQ(metrics.at("accuracy"), 0.375);
  EXPECT_EQ(metrics.at("perplexity"), std::exp(1.5));
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics.values)
    names.push_back(name);
  EXPECT_EQ(names, metric_names(TaskKind::kText));
  EXPECT_EQ(language_metrics(0, 0, 0).at("accuracy"), 0.0);  // nothing was to be guessed
}

TEST(Metrics, WhatIsNoNumberHasNoRank) {
  const Metrics metrics = compute_metrics(TaskKind::kRegression, torch::tensor({{1.0F}, {NAN}, {2.0F}, {NAN}}),
                                          torch::tensor({1.0F, 2.0F, 3.0F, 4.0F}), 0);
  EXPECT_TRUE(std::isnan(metrics.at("spearman")));
  EXPECT_TRUE(std::isnan(metrics.at("pearson")));
}

TEST(Metrics, EqualScikitLearnAndScipy) {
  const auto all = golden();
  for (const auto& entry : all["cases"]) {
    const std::string task = entry["task"];
    const TaskKind kind = task == "classification" ? TaskKind::kClassification
                          : task == "multi-label"  ? TaskKind::kMultiLabel
                                                   : TaskKind::kRegression;
    Tensor targets;
    if (kind == TaskKind::kClassification) targets = torch::tensor(entry["targets"].get<std::vector<int64_t>>());
    if (kind == TaskKind::kMultiLabel) targets = matrix(entry["targets"]);
    if (kind == TaskKind::kRegression)
      targets = torch::tensor(entry["targets"].get<std::vector<double>>(), torch::kFloat64);
    const Metrics metrics = compute_metrics(kind, matrix(entry["logits"]), targets, 0.25);
    EXPECT_EQ(metrics.at("loss"), 0.25);
    for (const auto& [name, value] : entry["metrics"].items()) {
      EXPECT_NEAR(metrics.at(name), value.get<double>(), 1e-6) << task << " " << name;
    }
    if (entry.contains("confusion")) {
      EXPECT_EQ(metrics.confusion, entry["confusion"].get<std::vector<std::vector<int64_t>>>());
    }
    std::vector<std::string> names;
    for (const auto& value : metrics.values)
      names.push_back(value.first);
    EXPECT_EQ(names, metric_names(kind));
  }
}

TEST(Metrics, OfSeveralLabelsAtATimeEachIsCounted) {
  const Tensor logits = torch::tensor({{1.F, -1.F}, {1.F, 1.F}, {-1.F, -1.F}}),
               targets = torch::tensor({{1.F, 1.F}, {0.F, 1.F}, {0.F, 0.F}});
  const Metrics metrics = compute_metrics(TaskKind::kMultiLabel, logits, targets, 0);
  EXPECT_EQ(metrics.label_counts, (std::vector<std::array<int64_t, 3>>{{1, 1, 0}, {1, 0, 1}}));
}

TEST(Metrics, AnUnknownNameIsAnsweredWithTheNamesThereAre) {
  const Metrics metrics =
      compute_metrics(TaskKind::kClassification, torch::ones({1, 2}), torch::zeros({1}, torch::kInt64), 0);
  try {
    metrics.at("acuracy");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "eval.metric: there is no metric 'acuracy'; did you mean 'accuracy'?; metrics of this task: loss, "
                 "accuracy, precision, "
                 "recall, f1, macro_f1");
  }
}

TEST(Schedule, FactorsEqualTransformers) {
  const auto all = golden();
  for (const auto& entry : all["schedules"]) {
    const std::string name = entry["schedule"];
    const ScheduleKind kind = name == "linear"   ? ScheduleKind::kLinear
                              : name == "cosine" ? ScheduleKind::kCosine
                                                 : ScheduleKind::kConstant;
    const auto factors = entry["factors"].get<std::vector<double>>();
    for (size_t step = 0; step < factors.size(); ++step) {
      EXPECT_NEAR(schedule_factor(kind, static_cast<int64_t>(step), entry["warmup_steps"], entry["total_steps"]),
                  factors[step], 1e-12)
          << name << " step " << step;
    }
  }
}

TEST(Schedule, TheWarmUpRatioIsRoundedUpAndStepsWin) {
  TrainSettings settings;
  settings.warmup_ratio = 0.06;
  EXPECT_EQ(warmup_steps(settings, 101), 7);
  settings.warmup_steps = 2;
  EXPECT_EQ(warmup_steps(settings, 101), 2);
}

TEST(Decay, LeavesOutBiasesAndLayerNormsButNotWhatSitsBelowAJunction) {
  EXPECT_TRUE(decays("embeddings.word_embeddings.weight"));
  EXPECT_FALSE(decays("embeddings.LayerNorm.weight"));
  EXPECT_FALSE(decays("encoder.layer.0.output.LayerNorm.bias"));
  EXPECT_FALSE(decays("encoder.layer.0.output.dense.bias"));
  EXPECT_TRUE(decays("encoder.layer.0.output.LayerNorm.adapter.bottleneck.down_weight"));
  EXPECT_FALSE(decays("encoder.layer.0.output.LayerNorm.adapter.bottleneck.down_bias"));
  EXPECT_TRUE(decays("encoder.layer.0.attention.self.query.lora.a"));
}

}  // namespace
}  // namespace plugtune::train
