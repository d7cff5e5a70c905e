// gates_test.cc - gated LoRA against AdapterHub's library, both ways, and what a gate cannot be combined with.
#include "support/foreign_golden.h"

#include "foreign_file_test.h"
#include "gates.h"

namespace plugtune {
namespace {

using nlohmann::json;
using testing::error_of;
using testing::tuned;

class GatedLora : public testing::ForeignGoldenTest {};

TEST_P(GatedLora, LogitsLossAndEveryGradientEqualTheLibrarys) { expect_logits_loss_and_gradients(); }
TEST_P(GatedLora, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }
TEST_P(GatedLora, FileIsWrittenAsItWasRead) { expect_written_as_read(); }
TEST_P(GatedLora, TenStepsEqualTheLibrarys) { expect_ten_steps(); }

INSTANTIATE_TEST_SUITE_P(AdapterHub, GatedLora, ::testing::Values("lora_hub_gates"),
                         [](const auto& info) { return std::string(info.param); });

MethodDelta read_gated(lora_test::Foreign& file) {
  file.adapter.format = "adapterhub";
  ForeignTensors tensors("weights", file.adapter.tensors);
  MethodDelta delta = lora::GatedLoraExchange().read(file.adapter, tensors, lora_test::tiny_base());
  EXPECT_EQ(tensors.unread(), std::vector<std::string>());
  return delta;
}

TEST(GatedLoraFile, AGateStandsInThePlaceOfTheScaleThere) {
  lora_test::Foreign file("lora_hub_gates_alpha", "import_only");  // alpha 2 of rank 4: no factor 0.5 in the library
  const MethodDelta delta = read_gated(file);
  EXPECT_EQ(testing::json_of(delta.settings).at("alpha"), 4);
  const auto model = lora_test::model_of(delta, file.head);
  EXPECT_TRUE(near_golden(file.golden, "logits", model->forward(file.golden.input("a"))));
}

TEST(GatedLoraFile, AScaleLeavesInB) {
  const json settings = {{"gate", true}, {"rank", 4}, {"alpha", 6}, {"layers", "1"}};
  torch::manual_seed(3);
  testing::NamedList tensors = testing::fresh_delta(settings);
  for (auto& [key, tensor] : tensors)
    tensor = torch::randn(tensor.sizes()) * 0.3;
  const MethodDelta delta{testing::config_node(settings), tensors, {}};
  const ExchangeBase base = lora_test::tiny_base();
  ForeignAdapter written = lora::GatedLoraExchange().write(delta, "adapterhub", "golden", base);
  EXPECT_EQ(written.notes,
            std::vector<std::string>({"the scale alpha / r is in lora_B: beside a gate the library has none"}));
  written.config = testing::config_node(testing::without_nulls(testing::json_of(written.config)));
  const MethodDelta again = testing::read_adapter(written, base);
  const testing::Golden golden("full_classification");
  EXPECT_TRUE(testing::near(lora_test::model_of(again, {})->forward(golden.input("a")),
                            lora_test::model_of(delta, {})->forward(golden.input("a")), 0, 1e-5));
}

TEST(GatedLoraFile, PeftHasNoGates) {
  EXPECT_EQ(testing::error_of_writing({{"gate", true}}, testing::fresh_delta({{"gate", true}}), "peft"),
            "peft: a LoRA has no gates there (gate = true); export as adapterhub");
}

TEST(GatedLoraFile, GatesDoNotAddUp) {
  const MethodDelta delta{testing::config_node({{"gate", true}}), testing::fresh_delta({{"gate", true}}), {}};
  CombineOptions options;
  options.method = "svd";
  options.weights = {0.5, 0.5};
  options.names = {"runs/a", "runs/b"};
  EXPECT_EQ(error_of([&] {
              lora::GatedLoraExchange().combine({delta, delta}, options, lora_test::tiny_base());
            }),
            "combine: runs/a has gates, which follow the text: its update is no matrix that could be added");
}

TEST(GatedLoraPatch, StartsAsTheIdentityAndCannotBeMerged) {
  const testing::Golden golden("full_classification");
  const auto model = tuned({{"gate", true}, {"targets", "all-linear"}});
  EXPECT_TRUE(
      testing::near(model->forward(golden.input("a")), testing::tiny_model()->forward(golden.input("a")), 0, 1e-6));
  EXPECT_NE(error_of([&] { model->fold(); }), "");
}

TEST(GatedLoraPatch, SaysWhatItCannotBeCombinedWith) {
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"gate", true}, {"dora", true}},
       "strategy.gate: is true, and so is dora, which no gate is known for; keep one of the two"},
      {{{"gate", true}, {"targets", {"query", "pooler"}}},
       "strategy.gate: is true, and 'pooler.dense' is in no layer, where a gate has no sequences to look at; take it "
       "out "
       "of targets"},
      {{{"gate", true}, {"targets", {"word_embeddings"}}},
       "strategy.gate: is true, and 'embeddings.word_embeddings' is in no layer, where a gate has no sequences to look "
       "at; take it out of targets"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

}  // namespace
}  // namespace plugtune
