// language_head_test.cc - masked LM against transformers, the rows that are read, and the decoder that is the word embedding.
#include <gtest/gtest.h>

#include "model/bert.h"
#include "model/loss.h"
#include "plugtune/capability.h"
#include "plugtune/error.h"
#include "support/golden.h"

namespace plugtune {
namespace {

using testing::Golden;
using testing::near_golden;

/// What transformers calls a parameter of ours.
std::string peer_name(const std::string& name) {
  if (name == "cls.predictions.decoder.bias") return "cls.predictions.bias";
  return name.starts_with("cls.") ? name : "bert." + name;
}

/// tiny with the golden's head; everything trains.
std::shared_ptr<model::Bert> language_model(const Golden& golden, const std::string& activation = "gelu") {
  auto model = testing::tiny_model(TaskKind::kText, /*labels=*/100, activation);
  torch::NoGradGuard no_grad;
  for (auto& [name, parameter] : model->own_parameters()) {
    if (model::is_head_parameter(name)) parameter.copy_(golden.at("start/" + peer_name(name)));
    parameter.set_requires_grad(true);
  }
  return model;
}

Tensor loss_of(model::Bert& model, const model::Input& input, const Tensor& targets) {
  return model::task_loss(TaskKind::kText, model.forward(input), targets, targets.size(0));
}

std::map<std::string, Tensor> gradients_of(const model::Bert& model) {
  std::map<std::string, Tensor> gradients;
  for (const auto& [name, parameter] : model.own_parameters())
    gradients.emplace(name, parameter.grad().clone());
  return gradients;
}

TEST(LanguageHead, LogitsLossAndEveryGradientEqualTransformers) {
  const Golden golden("masked_lm");
  const auto model = language_model(golden);
  const model::Input input = golden.input("a");
  EXPECT_TRUE(near_golden(golden, "hidden", model->hidden(input)));
  const Tensor logits = model->forward(input);
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  const Tensor labels = golden.at("a/labels");
  const Tensor loss = model::task_loss(TaskKind::kText, logits, labels, labels.size(0));
  EXPECT_TRUE(near_golden(golden, "loss", loss));
  loss.backward();
  for (const auto& [name, parameter] : model->own_parameters())
    EXPECT_TRUE(near_golden(golden, "grad/" + peer_name(name), parameter.grad()));
  size_t peers = 0;
  for (const auto& [key, tensor] : golden.tensors())
    peers += key.starts_with("grad/") ? 1u : 0u;
  EXPECT_EQ(peers, model->own_parameters().size()) << "the word embedding, which is the decoder too, is there once";
}

TEST(LanguageHead, EveryActivationEqualsTransformers) {
  const Golden golden("masked_lm");
  for (const char* activation : {"gelu_new", "relu", "silu", "swish", "tanh"}) {
    const auto model = language_model(golden, activation);
    EXPECT_TRUE(near_golden(golden, std::string(activation) + "/logits", model->forward(golden.input("a"))));
  }
}

TEST(LanguageHead, ReadRowsGiveTheLogitsOfAllRows) {
  const Golden golden("masked_lm");
  const auto model = language_model(golden);
  model::Input input = golden.input("a");
  const Tensor rows = input.read_rows, read = model->forward(input);
  input.read_rows = Tensor();
  const Tensor all = model->forward(input);
  EXPECT_EQ(all.sizes(), torch::IntArrayRef({input.layout.rows(), 100}));
  EXPECT_TRUE(testing::near(all.index_select(0, rows), read, 0, 1e-6));
}

TEST(LanguageHead, PackedBatchEqualsEachSequenceAlone) {
  const Golden golden("masked_lm");
  const auto model = language_model(golden);
  const model::Input all = golden.input("a");
  const Tensor targets = golden.at("a/labels"), packed = model->forward(all);
  loss_of(*model, all, targets).backward();
  const auto packed_gradients = gradients_of(*model);
  for (auto& [name, parameter] : model->own_parameters())
    parameter.mutable_grad().zero_();
  int64_t without_mask = 0;
  for (int64_t b = 0; b < all.layout.sequences(); ++b) {
    const int64_t begin = all.layout.offset(b), end = all.layout.offset(b + 1);
    const Tensor own = ((all.read_rows >= begin) & (all.read_rows < end)).nonzero().squeeze(1);
    without_mask += own.numel() == 0 ? 1 : 0;
    const model::Input alone{all.ids.slice(0, begin, end), all.types.slice(0, begin, end),
                             all.positions.slice(0, begin, end), Layout({end - begin}),
                             all.read_rows.index_select(0, own) - begin};
    const Tensor logits = model->forward(alone);
    EXPECT_TRUE(testing::near(logits, packed.index_select(0, own), 0, 1e-5)) << "sequence " << b;
    model::task_loss(TaskKind::kText, logits, targets.index_select(0, own), targets.size(0)).backward();
  }
  EXPECT_GT(without_mask, 0) << "a sequence with nothing to guess is among them";
  double scale = 0;
  for (const auto& [name, gradient] : packed_gradients)
    scale = std::max(scale, testing::largest(gradient));
  for (const auto& [name, gradient] : gradients_of(*model))
    EXPECT_TRUE(testing::near(gradient, packed_gradients.at(name), 1e-6 * scale, 2e-5)) << name;
}

TEST(LanguageHead, WithNothingToGuessTheLossIsZeroAndSoIsEveryGradient) {
  const Golden golden("masked_lm");
  for (const char* activation : {"gelu", "relu"}) {
    const auto model = language_model(golden, activation);
    model::Input input = golden.input("a");
    input.read_rows = torch::empty({0}, torch::kInt64);
    const Tensor loss = loss_of(*model, input, torch::empty({0}, torch::kInt64));
    EXPECT_EQ(loss.item<double>(), 0.0);
    loss.backward();
    for (const auto& [name, parameter] : model->own_parameters()) {
      if (!parameter.grad().defined()) continue;
      EXPECT_EQ(testing::largest(parameter.grad()), 0.0) << name;
    }
  }
}

TEST(LanguageHead, Bfloat16AgreesWithFloat32WithinItsOwnRounding) {
  const Golden golden("masked_lm");
  const auto model = language_model(golden);
  for (const Tensor& parameter : model->parameters())  // as a training in bf16 does
    Tensor(parameter).set_data(parameter.to(torch::kBFloat16));
  const Tensor logits = model->forward(golden.input("a"));
  EXPECT_EQ(logits.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(near_golden(golden, "logits", logits, 2e-2));
  const Tensor loss = model::task_loss(TaskKind::kText, logits, golden.at("a/labels"), golden.at("a/labels").size(0));
  EXPECT_EQ(loss.scalar_type(), torch::kFloat32);
  loss.backward();
  for (const auto& [name, parameter] : model->own_parameters()) {
    EXPECT_EQ(parameter.grad().scalar_type(), torch::kBFloat16);
    if (name.ends_with("key.bias")) continue;  // exactly 0, so all of it is rounding
    EXPECT_TRUE(near_golden(golden, "grad/" + peer_name(name), parameter.grad(), 1e-1));
  }
}

TEST(LanguageHead, IsMadeOfParametersWithHuggingFacesNamesAndHasNoPooler) {
  const auto model = testing::tiny_model(TaskKind::kText, 100);
  std::vector<std::string> head;
  for (const auto& [name, parameter] : model->own_parameters()) {
    EXPECT_FALSE(name.starts_with("pooler.")) << name;
    if (!name.starts_with("embeddings.") && !name.starts_with("encoder.")) head.push_back(name);
  }
  EXPECT_EQ(head,
            (std::vector<std::string>{"cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
                                      "cls.predictions.transform.LayerNorm.weight",
                                      "cls.predictions.transform.LayerNorm.bias", "cls.predictions.decoder.bias"}));
  for (const auto& [name, parameter] : model->base_parameters())
    EXPECT_FALSE(model::is_head_parameter(name)) << name;
}

TEST(LanguageHead, SitesEndInTransformAndDecoderWhichIsTheWordEmbedding) {
  const auto model = testing::tiny_model(TaskKind::kText, 100);
  const auto& linears = model->all_linear();
  ASSERT_EQ(linears.size(), 14u);
  const LinearSite &transform = *linears[12], &decoder = *linears[13];
  EXPECT_EQ(transform.info().role, Role::kTransform);
  EXPECT_EQ(transform.info().path, "cls.predictions.transform.dense");
  EXPECT_FALSE(transform.is_tied());
  EXPECT_EQ(decoder.info().role, Role::kDecoder);
  EXPECT_EQ(decoder.info().path, "cls.predictions.decoder");
  EXPECT_TRUE(decoder.is_tied());
  EXPECT_EQ(decoder.weight.data_ptr(), model->word_embeddings().weight.data_ptr());
  torch::NoGradGuard no_grad;
  model->word_embeddings().weight.set_data(torch::ones({100, 32}));
  EXPECT_EQ(decoder.weight.data_ptr(), model->word_embeddings().weight.data_ptr())
      << "weights that are loaded or rounded reach both";
}

struct NoOp final : LinearPatch, Foldable {
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x); }
  void fold(Tensor&, Tensor& bias) const override { bias = bias + 1; }
};
struct NoOpWords final : TokenPatch, FoldableEmbedding {
  Tensor forward(const TokenIn& in, const TokenNext& next) override { return next(in); }
  void fold(Tensor& weight) const override { weight = weight + 1; }
};

TEST(LanguageHead, PatchesOnTheSharedWeightAreNotFolded) {
  const auto model = testing::tiny_model(TaskKind::kText, 100);
  model->all_linear().back()->attach("noop", std::make_shared<NoOp>());
  model->word_embeddings().attach("noop", std::make_shared<NoOpWords>());
  try {
    model->fold();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "embeddings.word_embeddings.noop: cannot be folded into the weights; the masked-LM decoder shares this "
        "weight and would change too\n"
        "cls.predictions.decoder.noop: cannot be folded into the weights; the decoder shares its weight with "
        "the word embedding, which would change too");
  }
  EXPECT_FALSE(model->word_embeddings().bare());
}

TEST(LanguageHead, PatchesOnTheTransformAreFolded) {
  const Golden golden("masked_lm");
  const auto model = language_model(golden);
  LinearSite& transform = *model->all_linear()[12];
  transform.attach("noop", std::make_shared<NoOp>());
  const Tensor bias = transform.bias.detach().clone();
  model->fold();
  EXPECT_TRUE(transform.bare());
  EXPECT_TRUE(testing::near(transform.bias, bias + 1, 0, 1e-7));
}

TEST(LanguageHead, ResetsToNewValuesAlone) {
  const Golden golden("masked_lm");
  const auto model = language_model(golden);
  const Tensor words = model->word_embeddings().weight.detach().clone();
  model->reset_head();
  EXPECT_TRUE(model->word_embeddings().weight.equal(words));
  for (const auto& [name, parameter] : model->own_parameters()) {
    if (name.ends_with("decoder.bias")) {
      EXPECT_EQ(testing::largest(parameter), 0.0);
    }
    if (name.ends_with("transform.LayerNorm.weight")) {
      EXPECT_TRUE(parameter.equal(torch::ones({32})));
    }
    if (name.ends_with("transform.dense.weight")) {
      EXPECT_NEAR(parameter.std().item<double>(), 0.02, 0.003);
    }
  }
}

}  // namespace
}  // namespace plugtune
