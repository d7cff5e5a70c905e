// full_test.cc - full fine-tuning against transformers, freezing and layer-wise rates.
#include "support/strategy.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::make_strategy;
using testing::tiny_model;

TEST(Full, LogitsLossAndEveryGradientEqualTransformers) {
  const testing::Golden golden("full_classification");
  const auto model = tiny_model();
  make_strategy()->apply(*model);
  testing::train_head(*model);
  const Tensor logits = model->forward(golden.input("a"));
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  const Tensor loss = model::task_loss(TaskKind::kClassification, logits, golden.at("a/labels"), 5);
  EXPECT_TRUE(near_golden(golden, "loss", loss));
  loss.backward();
  for (const auto& [name, parameter] : testing::trainables(*model)) {
    const std::string key = name.starts_with("classifier.") ? name : "bert." + name;
    EXPECT_TRUE(near_golden(golden, "grad/" + key, parameter.grad()));
  }
  EXPECT_EQ(testing::trainables(*model).size(), model->own_parameters().size());
}

TEST(Full, PackedBatchEqualsEachSequenceAlone) {
  const auto model = tiny_model();
  make_strategy()->apply(*model);
  testing::train_head(*model);
  testing::expect_packed_equals_alone(*model);
}

TEST(Full, TrainsEveryParameterOfTheEncoderAndThePooler) {
  // The formula gives 177,853,440 for the multilingual model (V 119,547, H 768, L 12): formats.md, reference counts.
  const auto count = [](int64_t v, int64_t positions, int64_t h, int64_t f, int64_t layers) {
    const int64_t embeddings = (v + positions + 2) * h + 2 * h;
    const int64_t layer = 4 * (h * h + h) + 2 * h * f + f + h + 4 * h;
    return embeddings + layers * layer + h * h + h;
  };
  EXPECT_EQ(count(119547, 512, 768, 3072, 12), 177853440);
  const auto model = tiny_model();
  make_strategy()->apply(*model);
  EXPECT_EQ(testing::trainable_count(*model), count(100, 64, 32, 64, 2));
}

std::vector<std::string> frozen(const nlohmann::json& settings) {
  const auto model = tiny_model();
  make_strategy(settings)->apply(*model);
  std::vector<std::string> names;
  for (const auto& [name, parameter] : model->base_parameters()) {
    if (!parameter.requires_grad()) names.push_back(name.substr(0, name.find('.', sizeof("encoder.layer.") - 1)));
  }
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

TEST(Full, FreezesTheLowestLayersAndWithThemTheEmbeddings) {
  EXPECT_EQ(frozen({}), std::vector<std::string>());
  const std::vector<std::string> embeddings = {"embeddings.word_embeddings", "embeddings.position_embeddings",
                                               "embeddings.token_type_embeddings", "embeddings.LayerNorm"};
  std::vector<std::string> one = frozen({{"freeze_layers", 1}});
  EXPECT_EQ(one.size(), 5u);
  EXPECT_EQ(one.back(), "encoder.layer.0");
  EXPECT_EQ(frozen({{"freeze_layers", 1}, {"freeze_embeddings", false}}),
            std::vector<std::string>({"encoder.layer.0"}));
  EXPECT_EQ(frozen({{"freeze_embeddings", true}}).size(), 4u);
  EXPECT_EQ(frozen({{"freeze_layers", 2}}).back(), "encoder.layer.1");
}

TEST(Full, LayerDecayLowersTheRateLayerByLayer) {
  const auto model = tiny_model();
  const auto strategy = make_strategy({{"layer_decay", 0.5}});
  strategy->apply(*model);
  const auto* grouping = dynamic_cast<ParamGrouping*>(strategy.get());
  ASSERT_NE(grouping, nullptr);
  const std::vector<std::pair<std::string, double>> scales = {
      {"pooler.dense.weight", 1},
      {"classifier.weight", 1},
      {"encoder.layer.1.output.dense.bias", 0.5},
      {"encoder.layer.0.attention.self.query.weight", 0.25},
      {"embeddings.word_embeddings.weight", 0.125},
      {"encoder.layer.0.attention.self.query.lora.update.a", 1},  // another strategy's patch
  };
  for (const auto& [name, scale] : scales)
    EXPECT_EQ(grouping->rule(name).learning_rate_scale, scale) << name;
}

TEST(Full, SaysWhatIsWrongWithItsSettings) {
  EXPECT_EQ(error_of([] {
              make_strategy({{"freeze_layer", 1}});
            }),
            "strategy.freeze_layer: unknown key; did you mean 'freeze_layers'? keys of strategy 'full': freeze_layers, "
            "freeze_embeddings, layer_decay");
  EXPECT_EQ(error_of([] {
              make_strategy({{"freeze_layers", -1}, {"layer_decay", 0}});
            }),
            "strategy.freeze_layers: must be at least 0, got -1\n"
            "strategy.layer_decay: must be between 0.01 and 1, got 0");
  EXPECT_EQ(error_of([] {
              make_strategy({{"freeze_layers", 3}})->apply(*tiny_model());
            }),
            "strategy.freeze_layers: must be at most 2 (the model's layers), got 3");
}

}  // namespace
}  // namespace plugtune
