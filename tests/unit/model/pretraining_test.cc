// pretraining_test.cc - masked LM with next-sentence prediction against transformers' BertForPreTraining, and its files.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "formats/fingerprint.h"
#include "model/bert.h"
#include "model/loss.h"
#include "model/open.h"
#include "support/golden.h"
#include "support/temp_folder.h"

namespace plugtune {
namespace {

using testing::Golden;
using testing::near_golden;

const Task kLanguage{TaskKind::kText, {}, false};

/// What transformers calls a parameter of ours.
std::string pretraining_name(const std::string& name) {
  if (name == "cls.predictions.decoder.bias") return "cls.predictions.bias";
  return name.starts_with("cls.") ? name : "bert." + name;
}

/// tiny with the golden's two heads; everything trains.
std::shared_ptr<model::Bert> pretraining_model(const Golden& golden) {
  auto model = testing::tiny_model(TaskKind::kText, /*labels=*/100, "gelu", /*next_sentence=*/true);
  torch::NoGradGuard no_grad;
  for (auto& [name, parameter] : model->own_parameters()) {
    if (model::is_head_parameter(name)) parameter.copy_(golden.at("start/" + pretraining_name(name)));
    parameter.set_requires_grad(true);
  }
  return model;
}

TEST(Pretraining, LogitsLossesAndEveryGradientEqualTransformers) {
  const Golden golden("pretraining");
  const auto model = pretraining_model(golden);
  const auto [logits, next] = model->answers(golden.input("a"));
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  EXPECT_TRUE(near_golden(golden, "next_logits", next));
  const Tensor labels = golden.at("a/labels");
  const Tensor masked = model::task_loss(TaskKind::kText, logits, labels, labels.size(0));
  const Tensor paired = model::task_loss(TaskKind::kClassification, next, golden.at("a/next"), next.size(0));
  EXPECT_TRUE(near_golden(golden, "masked_lm_loss", masked));
  EXPECT_TRUE(near_golden(golden, "next_sentence_loss", paired));
  EXPECT_TRUE(near_golden(golden, "loss", masked + paired));
  (masked + paired).backward();
  for (const auto& [name, parameter] : model->own_parameters())
    EXPECT_TRUE(near_golden(golden, "grad/" + pretraining_name(name), parameter.grad()));
  size_t peers = 0;
  for (const auto& [key, tensor] : golden.tensors())
    peers += key.starts_with("grad/") ? 1u : 0u;
  EXPECT_EQ(peers, model->own_parameters().size());
}

TEST(Pretraining, MaskedLmAloneComputesTheSameAndAnswersNothingElse) {
  const Golden golden("pretraining");
  const auto model = pretraining_model(golden);
  EXPECT_TRUE(model->forward(golden.input("a")).equal(model->answers(golden.input("a")).logits));
  const auto without = testing::tiny_model(TaskKind::kText, /*labels=*/100);
  EXPECT_FALSE(without->answers(golden.input("a")).next_sentence.defined());
}

/// tiny's directory with both heads, as write_model() leaves it.
void write_pretraining(const Golden& golden, const std::filesystem::path& directory) {
  model::OpenedModel opened =
      model::open_model((testing::golden_path() / "tiny").string(), false, kLanguage, /*next_sentence=*/true);
  EXPECT_TRUE(opened.new_head);
  EXPECT_FALSE(opened.new_pooler);
  torch::NoGradGuard no_grad;
  for (auto& [name, parameter] : opened.bert->own_parameters()) {
    if (model::is_head_parameter(name)) parameter.copy_(golden.at("start/" + pretraining_name(name)));
  }
  model::write_model(opened, directory);
}

TEST(Pretraining, FilesHaveTransformersNamesAndComeBack) {
  const Golden golden("pretraining");
  const testing::TempFolder folder;
  write_pretraining(golden, folder.path("written"));
  std::ifstream config(folder.path("written") + "/config.json");
  EXPECT_EQ(nlohmann::json::parse(config)["architectures"][0], "BertForPreTraining");
  const auto tensors = formats::SafetensorsFile::open(folder.path("written") + "/model.safetensors").tensors();
  for (const char* name : {"bert.pooler.dense.weight", "bert.pooler.dense.bias", "cls.predictions.bias",
                           "cls.seq_relationship.weight", "cls.seq_relationship.bias"})
    EXPECT_TRUE(tensors.contains(name)) << name;

  const auto again = model::open_model(folder.path("written"), false, kLanguage, /*next_sentence=*/true);
  EXPECT_FALSE(again.new_head);
  again.bert->eval();
  const auto [logits, next] = again.bert->answers(golden.input("a"));
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  EXPECT_TRUE(near_golden(golden, "next_logits", next));
}

TEST(Pretraining, OneHeadAloneIsReadAndTheOtherMade) {
  const Golden golden("pretraining");
  const testing::TempFolder folder;
  model::OpenedModel opened = model::open_model((testing::golden_path() / "tiny").string(), false, kLanguage);
  torch::NoGradGuard no_grad;
  for (auto& [name, parameter] : opened.bert->own_parameters()) {
    if (model::is_head_parameter(name)) parameter.copy_(golden.at("start/" + pretraining_name(name)));
  }
  model::write_model(opened, folder.path("masked"));
  const auto with = model::open_model(folder.path("masked"), false, kLanguage, /*next_sentence=*/true);
  EXPECT_TRUE(with.new_head);
  EXPECT_TRUE(with.new_pooler);
  ASSERT_EQ(with.notes.size(), 2u);
  EXPECT_EQ(with.notes[1], folder.path("masked") + " has no next-sentence head: a new one is made and trained");
  for (const auto& [name, parameter] : with.bert->own_parameters()) {
    if (name.starts_with("cls.predictions.")) {
      EXPECT_TRUE(parameter.equal(golden.at("start/" + pretraining_name(name)))) << name;
    }
    if (name == "cls.seq_relationship.weight") {
      EXPECT_NEAR(parameter.std().item<double>(), 0.02, 0.01);
    }
  }
}

}  // namespace
}  // namespace plugtune
