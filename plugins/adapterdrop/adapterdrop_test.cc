// adapterdrop_test.cc - dropped adapters against the library's leave_out, where backward ends, what is drawn, and every message.
#include "support/strategy.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;
using testing::trainables;
using testing::tuned;

constexpr int64_t kLayers = 4;

std::string state_of(int64_t dropped) { return "the next step drops " + std::to_string(dropped) + "\n"; }

/// A random model of four layers in training mode, without dropout, with the strategy on it.
struct Deep {
  explicit Deep(const nlohmann::json& settings = nlohmann::json::object()) : strategy(make_strategy(settings)) {
    model::BertOptions options = tiny_model()->options();
    options.layers = kLayers;
    torch::manual_seed(1);
    model = std::make_shared<model::Bert>(options);
    model->reset_parameters();
    model->freeze_base();
    strategy->apply(*model);
    testing::train_head(*model);
    model->train();
  }
  void drop_next(int64_t layers) { dynamic_cast<CustomState&>(*strategy).load_state(state_of(layers)); }
  int64_t drawn() {
    dynamic_cast<StepObserver&>(*strategy).on_step_end(0);
    const std::string state = dynamic_cast<CustomState&>(*strategy).save_state();
    return std::stoll(state.substr(state.rfind(' ')));
  }
  std::map<std::string, Tensor> gradients() {
    const Golden golden("full_classification");
    const Tensor logits = model->forward(golden.input("a"));
    model::task_loss(TaskKind::kClassification, logits, golden.at("a/labels"), 5).backward();
    std::map<std::string, Tensor> found;
    for (const auto& [key, parameter] : trainables(*model))
      if (parameter.grad().defined()) found.emplace(key, parameter.grad());
    return found;
  }
  const std::unique_ptr<Strategy> strategy;
  std::shared_ptr<model::Bert> model;
};

int64_t layer_of(const std::string& key) {
  const std::string before = "encoder.layer.";
  return key.starts_with(before) ? std::stoll(key.substr(before.size())) : kLayers;
}

class AdapterDropGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(AdapterDropGolden, DroppedAtInferenceIsTheLibrarysLeaveOut) {
  const Golden golden(GetParam());
  nlohmann::json settings = testing::adapter_settings(golden.description().at("settings"));
  ASSERT_EQ(settings.at("leave_out"), nlohmann::json({0}));
  settings["leave_out"] = nlohmann::json::array();
  settings["drop_at_inference"] = 1;
  const auto model = tuned(settings);
  testing::train_head(*model);
  const std::map<std::string, Tensor> ours = trainables(*model);
  for (const auto& [key, tensor] : golden.tensors()) {
    const torch::NoGradGuard no_grad;
    if (key.starts_with("start/")) ours.at(testing::delta_key(key.substr(6))).copy_(tensor);
  }
  testing::expect_golden_pass(golden, *model);
  size_t dropped = 0;
  for (const auto& [key, parameter] : ours) {
    if (layer_of(key) > 0) continue;
    EXPECT_FALSE(parameter.grad().defined()) << key;
    ++dropped;
  }
  EXPECT_GT(dropped, 0u);
}

INSTANTIATE_TEST_SUITE_P(Library, AdapterDropGolden,
                         ::testing::Values("adapter_options/leave_out", "adapter_options/map_and_leave_out"),
                         [](const auto& info) { return std::string(info.param).substr(16); });

/// Remembers whether what its layer reads has a part in the backward pass.
class Watch final : public LayerPatch {
 public:
  Tensor forward(const LayerIn& in, const LayerNext& next) override {
    reads_graph = in.h.requires_grad();
    return next(in);
  }
  bool reads_graph = false;
};

/// Of each layer, whether backward goes on below it.
std::vector<bool> layers_that_read_a_graph(Deep& deep) {
  std::vector<std::shared_ptr<Watch>> watches;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    watches.push_back(std::make_shared<Watch>());
    deep.model->layer(layer).attach("watch", watches.back());
  }
  deep.gradients();
  std::vector<bool> found;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    found.push_back(watches[static_cast<size_t>(layer)]->reads_graph);
    deep.model->layer(layer).detach("watch");
  }
  return found;
}

TEST(AdapterDrop, BackwardEndsAtTheLowestLayerThatIsNotDropped) {
  Deep deep;
  const std::vector<std::vector<bool>> expected = {
      {false, true, true, true}, {false, false, true, true}, {false, false, false, true}, {false, false, false, false}};
  for (int64_t dropped = 0; dropped < kLayers; ++dropped) {
    deep.drop_next(dropped);
    EXPECT_EQ(layers_that_read_a_graph(deep), expected[static_cast<size_t>(dropped)]) << dropped;
  }
  Deep specialised(nlohmann::json{{"leave_out", {0, 1}}});
  EXPECT_EQ(layers_that_read_a_graph(specialised), expected[2]);
}

TEST(AdapterDrop, AStepsGradientsAreThoseOfAModelWithoutTheDroppedAdapters) {
  for (const char* config : {"pfeiffer", "houlsby", "parallel", "compacter"}) {
    Deep robust(nlohmann::json{{"config", config}, {"reduction_factor", 4}});
    robust.drop_next(2);
    Deep without(nlohmann::json{{"config", config}, {"reduction_factor", 4}, {"leave_out", {0, 1}}});
    std::map<std::string, Tensor> robusts = trainables(*robust.model);
    for (auto& [key, parameter] : trainables(*without.model)) {
      const torch::NoGradGuard no_grad;
      // Compacter's rule is owned by the first place there is.
      const bool is_rule = key.ends_with("phm_rule");
      for (const auto& [name, value] : robusts)
        if (name == key || (is_rule && name.ends_with("phm_rule"))) parameter.copy_(value);
    }
    const auto expected = without.gradients(), found = robust.gradients();
    EXPECT_EQ(found.size(), expected.size()) << config;
    for (const auto& [key, gradient] : found) {
      if (key.ends_with("phm_rule")) continue;
      ASSERT_TRUE(expected.contains(key)) << config << ": " << key;
      EXPECT_TRUE(torch::equal(gradient, expected.at(key))) << config << ": " << key;
      EXPECT_GE(layer_of(key), 2) << config;
    }
  }
}

TEST(AdapterDrop, EachNumberOfLayersIsDrawnAsOften) {
  Deep deep(nlohmann::json{{"max_dropped", 2}});
  std::vector<int64_t> times(3);
  for (int i = 0; i < 3000; ++i)
    ++times.at(static_cast<size_t>(deep.drawn()));
  for (const int64_t count : times)
    EXPECT_NEAR(static_cast<double>(count), 1000, 150);  // five standard deviations
}

TEST(AdapterDrop, AllButTheLastLayerAreDroppedAtMost) {
  Deep deep;
  int64_t most = 0;
  for (int i = 0; i < 200; ++i)
    most = std::max(most, deep.drawn());
  EXPECT_EQ(most, kLayers - 1);
}

TEST(AdapterDrop, TheFirstStepDropsNoneAndInferenceWhatItIsTold) {
  Deep deep(nlohmann::json{{"drop_at_inference", 3}});
  const auto is_layer_used = [&](int64_t layer) {
    const Golden golden("full_classification");
    const Tensor before = deep.model->hidden(golden.input("a"));
    const torch::NoGradGuard no_grad;
    for (const auto& [key, parameter] : deep.model->patch_parameters())
      if (layer_of(key) == layer && key.ends_with("up_bias")) parameter.add_(1);
    return !torch::equal(deep.model->hidden(golden.input("a")), before);
  };
  EXPECT_TRUE(is_layer_used(0));
  deep.drop_next(1);
  EXPECT_FALSE(is_layer_used(0));
  EXPECT_TRUE(is_layer_used(2));
  deep.model->eval();
  EXPECT_FALSE(is_layer_used(2));
  EXPECT_TRUE(is_layer_used(3));
}

TEST(AdapterDrop, PackedBatchEqualsEachSequenceAlone) {
  const auto model = tuned({{"drop_at_inference", 1}});
  testing::train_head(*model);
  testing::expect_packed_equals_alone(*model);
}

TEST(AdapterDrop, CountsAndKeysAreThoseOfAdapters) {
  model::Bert model(testing::base_sizes());
  make_strategy(nlohmann::json::object())->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 894'528);
  EXPECT_EQ(model.patch_parameters().front().first, "encoder.layer.0.output.LayerNorm.adapter.bottleneck.down_weight");
}

TEST(AdapterDrop, RefusesAStateThatIsNotOne) {
  Deep deep;
  for (const std::string& state : {std::string(), state_of(4), state_of(1).substr(0, 12), std::string("3")}) {
    EXPECT_EQ(error_of([&] { dynamic_cast<CustomState&>(*deep.strategy).load_state(state); }),
              "strategy 'adapterdrop': the state does not say how many layers the next step drops");
  }
}

TEST(AdapterDrop, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"max_dropped", 2}}, "strategy.max_dropped: must be at most 1, all layers but the last, got 2"},
      {{{"drop_at_inference", 2}}, "strategy.drop_at_inference: must be at most 1, all layers but the last, got 2"},
      {{{"max_dropped", -1}}, "strategy.max_dropped: must be at least 0, got -1"},
      {{{"config", "pfeiffer+inv"}},
       "strategy.inv_adapter: must be \"\": it trains below all layers, and backward would have to go there"},
      {{{"leave_out", {0, 1}}}, "strategy.leave_out: leaves out every layer of the model"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

}  // namespace
}  // namespace plugtune
