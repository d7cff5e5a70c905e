// invertible_test.cc - NICE layers: their inverse, where it runs, and the masked-LM pass of AdapterHub's library.
#include "plugtune/blocks/invertible.h"

#include "support/strategy.h"

namespace plugtune {
namespace {

using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;

/// NICE of any size, by its definition in the paper.
TEST(NiceCoupling, ItsInverseUndoesIt) {
  torch::manual_seed(1);
  for (const int64_t hidden : {32, 33, 2}) {
    NiceCoupling coupling({.hidden_size = hidden, .reduction_factor = 1, .activation = "tanh"});
    torch::NoGradGuard no_grad;
    for (const Tensor& parameter : coupling.parameters())
      parameter.normal_();
    coupling.to(torch::kFloat64);
    const Tensor x = torch::randn({7, hidden}, torch::kFloat64);
    const Tensor y = coupling.forward(x);
    EXPECT_FALSE(testing::near(y, x, 0, 1e-2)) << hidden;
    EXPECT_TRUE(testing::near(coupling.inverse(y), x, 0, 1e-12)) << hidden;
    EXPECT_TRUE(testing::near(coupling.forward(coupling.inverse(x)), x, 0, 1e-12)) << hidden;
  }
}

TEST(NiceCoupling, StartsAsTheLibrarys) {
  torch::manual_seed(1);
  const NiceCoupling coupling({.hidden_size = 768});
  EXPECT_EQ(coupling.f_down_weight.sizes(), (std::vector<int64_t>{192, 384}));
  EXPECT_EQ(coupling.g_up_weight.sizes(), (std::vector<int64_t>{384, 192}));
  EXPECT_NEAR(coupling.f_up_weight.std().item<double>(), 0.02, 1e-3);
  EXPECT_EQ(testing::largest(coupling.g_down_bias), 0);
}

/// The library's masked LM: adapter, invertible layer and the head's transform train.
class MaskedLm : public ::testing::Test {
 protected:
  MaskedLm() : golden("masked_lm_inv"), model(tiny_model(TaskKind::kText, /*labels=*/100)) {
    make_strategy(testing::adapter_settings(golden.description().at("settings")))->apply(*model);
    torch::NoGradGuard no_grad;
    for (const auto& [name, parameter] : model->own_parameters()) {
      if (!model::is_head_parameter(name)) continue;
      const bool trains = golden.tensors().contains("start/" + name);
      parameter.copy_(golden.at((trains ? "start/" : "fixed/") + name)).set_requires_grad(trains);
    }
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
};

TEST_F(MaskedLm, LogitsLossAndEveryGradientEqualTheLibrarysFlexibleHead) {
  testing::take_start(golden, *model);
  EXPECT_TRUE(near_golden(golden, "hidden", model->hidden(golden.input("a"))));
  const Tensor logits = model->forward(golden.input("a")), labels = golden.at("a/labels");
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  const Tensor loss = model::task_loss(TaskKind::kText, logits, labels, labels.size(0));
  EXPECT_TRUE(near_golden(golden, "loss", loss));
  loss.backward();
  const auto ours = testing::trainables(*model);
  size_t compared = 0;
  for (const auto& [key, tensor] : golden.tensors()) {
    if (!key.starts_with("grad/")) continue;
    EXPECT_TRUE(near_golden(golden, key, ours.at(testing::delta_key(key.substr(5))).grad()));
    ++compared;
  }
  EXPECT_EQ(compared, ours.size());
}

TEST_F(MaskedLm, TheInverseIsTheSameLayerAndInTheDeltaOnce) {
  const std::vector<std::string> sites = {"encoder: adapter", "cls.predictions.decoder: adapter",
                                          "encoder.layer.0.output.LayerNorm: adapter",
                                          "encoder.layer.1.output.LayerNorm: adapter"};
  EXPECT_EQ(model->patched_sites(), sites);
  size_t invertible = 0;
  for (const auto& [key, parameter] : model->patch_parameters()) {
    EXPECT_FALSE(key.starts_with("cls.")) << key;
    invertible += key.starts_with("encoder.adapter.invertible.") ? 1u : 0u;
  }
  EXPECT_EQ(invertible, 8u);
  // It moves with the model.
  model->to(torch::kFloat64);
  EXPECT_EQ(model->forward(golden.input("a")).scalar_type(), torch::kFloat64);
}

TEST_F(MaskedLm, PackedBatchEqualsEachSequenceAlone) {
  testing::take_start(golden, *model);
  model::Input all = golden.input("a");
  all.read_rows = Tensor();
  const Tensor logits = model->forward(all);
  for (int64_t b = 0; b < all.layout.sequences(); ++b) {
    const Tensor rows = logits.slice(0, all.layout.offset(b), all.layout.offset(b + 1));
    EXPECT_TRUE(testing::near(model->forward(testing::alone(all, b)), rows, 0, 1e-5)) << "sequence " << b;
  }
}

}  // namespace
}  // namespace plugtune
