// bert_test.cc - the encoder against transformers, and the promises of packed rows.
#include "model/bert.h"

#include "model/loss.h"
#include "model/open.h"
#include "support/golden.h"

namespace plugtune {
namespace {

using testing::Golden;
using testing::near_golden;
using testing::tiny_model;

struct FullCase {
  const char* name;
  TaskKind task;
  int64_t labels;
};

class FullGolden : public ::testing::TestWithParam<FullCase> {};

TEST_P(FullGolden, LogitsLossAndEveryGradientEqualTransformers) {
  const Golden golden(GetParam().name);
  const auto model = tiny_model(GetParam().task, GetParam().labels);
  for (auto& [name, parameter] : model->own_parameters())
    parameter.set_requires_grad(true);
  const model::Input input = golden.input("a");
  EXPECT_TRUE(near_golden(golden, "hidden", model->hidden(input)));
  const Tensor logits = model->forward(input);
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  const Tensor loss = model::task_loss(GetParam().task, logits, golden.at("a/labels"), 5);
  EXPECT_TRUE(near_golden(golden, "loss", loss));
  loss.backward();
  for (const auto& [name, parameter] : model->own_parameters()) {
    const std::string key = "grad/" + (name.starts_with("classifier.") ? name : "bert." + name);
    // Softmax takes a key's bias out again: its gradient is rounding alone, and differs from processor to processor.
    const double times = key.ends_with("self.key.bias") ? 4 : 1;
    EXPECT_TRUE(testing::near(parameter.grad(), golden.at(key), times * golden.rounding(key))) << key;
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, FullGolden,
                         ::testing::Values(FullCase{"full_classification", TaskKind::kClassification, 3},
                                           FullCase{"full_multilabel", TaskKind::kMultiLabel, 3},
                                           FullCase{"full_regression", TaskKind::kRegression, 1}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Bert, DropoutOfTheExperimentReplacesTheConfigurationsInTrainingAlone) {
  const Golden golden("full_classification");
  const std::string path = (testing::golden_path() / "tiny").string();
  const Task task{TaskKind::kClassification, {"a", "b", "c"}};
  const auto logits = [&](double dropout, bool training) {
    torch::manual_seed(1);
    const auto opened = model::open_model(path, false, task, false, dropout);
    opened.bert->train(training);
    return opened.bert->forward(golden.input("a"));
  };
  const Tensor without = logits(0, true);
  EXPECT_TRUE(logits(0, false).equal(without));
  EXPECT_TRUE(logits(0.5, false).equal(without));
  EXPECT_FALSE(logits(0.5, true).allclose(without));
}

TEST(Bert, EveryActivationEqualsTransformers) {
  const Golden golden("full_activations");
  for (const char* activation : {"gelu", "gelu_new", "relu", "silu", "swish", "tanh"}) {
    const auto model = tiny_model(TaskKind::kClassification, 3, activation);
    EXPECT_TRUE(near_golden(golden, std::string(activation) + "/logits", model->forward(golden.input("a"))));
  }
}

TEST(Bert, Bfloat16AgreesWithTransformersWithinItsOwnRounding) {
  const Golden golden("full_bf16");
  const auto model = tiny_model();
  model->to(torch::kBFloat16);
  for (auto& [name, parameter] : model->own_parameters())
    parameter.set_requires_grad(true);
  const Tensor logits = model->forward(golden.input("a"));
  EXPECT_TRUE(near_golden(golden, "logits", logits, 1e-2));
  const Tensor loss = model::task_loss(TaskKind::kClassification, logits, golden.at("a/labels"), 5);
  loss.backward();
  for (const auto& [name, parameter] : model->own_parameters()) {
    const std::string key = "grad/" + (name.starts_with("classifier.") ? name : "bert." + name);
    EXPECT_TRUE(near_golden(golden, key, parameter.grad(), 3e-2));
  }
}

TEST(Bert, FirstRowsOnlyGivesTheLogitsAndGradientsOfAllRows) {
  const Golden golden("full_classification");
  std::vector<Tensor> gradients[2];
  Tensor logits[2];
  for (const bool first_rows_only : {false, true}) {
    const auto model = tiny_model();
    model->set_first_rows_only(first_rows_only);
    for (auto& [name, parameter] : model->own_parameters())
      parameter.set_requires_grad(true);
    logits[first_rows_only] = model->forward(golden.input("b"));
    model::task_loss(TaskKind::kClassification, logits[first_rows_only], golden.at("b/labels"), 5).backward();
    for (auto& [name, parameter] : model->own_parameters())
      gradients[first_rows_only].push_back(parameter.grad());
  }
  EXPECT_TRUE(testing::near(logits[1], logits[0], 0));
  for (size_t i = 0; i < gradients[0].size(); ++i)
    EXPECT_TRUE(testing::near(gradients[1][i], gradients[0][i], 1e-7));
}

TEST(Bert, PackedBatchEqualsEachSequenceAlone) {
  const Golden golden("full_classification");
  const auto model = tiny_model();
  const model::Input all = golden.input("a");
  const Tensor packed = model->hidden(all);
  for (int64_t b = 0; b < all.layout.sequences(); ++b) {
    const int64_t begin = all.layout.offset(b), end = all.layout.offset(b + 1);
    const model::Input alone{all.ids.slice(0, begin, end), all.types.slice(0, begin, end),
                             all.positions.slice(0, begin, end), Layout({end - begin})};
    EXPECT_TRUE(testing::near(model->hidden(alone), packed.slice(0, begin, end), 0)) << "sequence " << b;
  }
}

TEST(Bert, AnUnpatchedModelWithANoOpPatchOnEverySiteGivesTheSameHiddenRows) {
  // Patched sites leave the fused spans: both ways must agree.
  const Golden golden("full_classification");
  const auto model = tiny_model();
  const Tensor bare = model->hidden(golden.input("a"));
  struct NoOp final : JunctionPatch {
    Tensor forward(const JunctionIn& in, const JunctionNext& next) override { return next(in); }
  };
  struct NoOpLinear final : LinearPatch {
    Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x); }
  };
  for (JunctionSite* site : model->all_junctions())
    site->attach("noop", std::make_shared<NoOp>());
  for (LinearSite* site : model->all_linear())
    site->attach("noop", std::make_shared<NoOpLinear>());
  EXPECT_TRUE(testing::near(model->hidden(golden.input("a")), bare, 0));
}

TEST(Bert, ParameterNamesAreThoseOfHuggingFaceInTheirOrder) {
  const auto model = tiny_model();
  const auto names = model->own_parameters();
  EXPECT_EQ(names.front().first, "embeddings.word_embeddings.weight");
  EXPECT_EQ(names.back().first, "classifier.bias");
  EXPECT_EQ(names.size(), 5 + 2 * 16 + 2 + 2);
}

TEST(Bert, TrainBaseNamesTheNearestParameter) {
  const auto model = tiny_model();
  try {
    model->train_base("pooler.dense.wieght");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "model: there is no base parameter 'pooler.dense.wieght'; did you mean 'pooler.dense.weight'?");
  }
}

}  // namespace
}  // namespace plugtune
