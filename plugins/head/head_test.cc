// head_test.cc - the encoder stays frozen; the pooler trains on request.
#include "support/strategy.h"

namespace plugtune {
namespace {

using testing::make_strategy;
using testing::tiny_model;

std::vector<std::string> trained(const nlohmann::json& settings) {
  const auto model = tiny_model();
  make_strategy(settings)->apply(*model);
  testing::train_head(*model);
  std::vector<std::string> names;
  for (const auto& [name, parameter] : testing::trainables(*model))
    names.push_back(name);
  return names;
}

TEST(Head, TrainsTheClassifierAloneOrWithThePooler) {
  EXPECT_EQ(trained({}), std::vector<std::string>({"classifier.bias", "classifier.weight"}));
  EXPECT_EQ(trained({{"train_pooler", true}}), std::vector<std::string>({"classifier.bias", "classifier.weight",
                                                                         "pooler.dense.bias", "pooler.dense.weight"}));
}

TEST(Head, PackedBatchEqualsEachSequenceAlone) {
  const auto model = tiny_model();
  make_strategy({{"train_pooler", true}})->apply(*model);
  testing::train_head(*model);
  testing::expect_packed_equals_alone(*model);
}

TEST(Head, GradientsEqualTransformers) {
  const testing::Golden golden("full_classification");
  const auto model = tiny_model();
  make_strategy({{"train_pooler", true}})->apply(*model);
  testing::train_head(*model);
  model::task_loss(TaskKind::kClassification, model->forward(golden.input("a")), golden.at("a/labels"), 5).backward();
  for (const auto& [name, parameter] : testing::trainables(*model)) {
    const std::string key = name.starts_with("classifier.") ? name : "bert." + name;
    EXPECT_TRUE(near_golden(golden, "grad/" + key, parameter.grad()));
  }
}

TEST(Head, SaysWhatIsWrongWithItsSettings) {
  EXPECT_EQ(testing::error_of([] {
              make_strategy({{"pooler", true}, {"train_pooler", "yes"}});
            }),
            "strategy.train_pooler: must be true or false, got \"yes\"\n"
            "strategy.pooler: unknown key; keys of strategy 'head': train_pooler");
}

}  // namespace
}  // namespace plugtune
