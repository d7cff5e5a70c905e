// composed_delta_test.cc - several strategies on one model: whose each key is, what it is called alone, what frozen ones keep, whose
// backward function threw.
#include "train/composed_delta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/loss.h"
#include "support/golden.h"
#include "train/delta.h"
#include "train/methods.h"
#include "train/trainer.h"

namespace plugtune::train {
namespace {

using ::testing::ElementsAre;

/// Adds a number to what passes. @param deep  the number is in a module of its own, so that its name has a dot
class AddPatch final : public LinearPatch {
 public:
  explicit AddPatch(double value, bool deep = false) {
    torch::nn::Module* owner = this;
    if (deep) owner = register_module("inner", std::make_shared<torch::nn::Module>()).get();
    value_ = owner->register_parameter("value", torch::full({}, value));
  }
  Tensor forward(const Tensor& x, const LinearNext& next) override { return next(x) + value_; }

 private:
  Tensor value_;
};

std::vector<std::string> keys(const NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors)
    names.push_back(name);
  return names;
}

class ComposedDeltaTest : public ::testing::Test {
 protected:
  LinearSite& query() { return model_->linear(Role::kQuery, 0); }
  void attach(const std::string& name, double value, bool deep = false) {
    query().attach(name, std::make_shared<AddPatch>(value, deep));
  }
  NamedTensors patches() const {
    NamedTensors delta;
    for (const auto& [key, tensor] : model_->patch_parameters())
      delta.emplace(key, tensor);
    return delta;
  }

  std::shared_ptr<model::Bert> model_ = testing::tiny_model();
  ComposedDelta composed_;
  const std::string site_ = "encoder.layer.0.attention.self.query.";
};

TEST_F(ComposedDeltaTest, EachPartHasTheKeysThatItHasAlone) {
  attach("add", 1);
  attach("add", 2, /*deep=*/true);  // the same strategy twice at a site: add_2 alone, too
  composed_.add_strategy(*model_);
  attach("add", 3);
  attach("other", 4);
  composed_.add_strategy(*model_);
  EXPECT_THAT(keys(patches()), ElementsAre(site_ + "add.value", site_ + "add_2.inner.value", site_ + "add_3.value",
                                           site_ + "other.value"));

  const NamedTensors first = composed_.alone(patches(), {0}), second = composed_.alone(patches(), {1});
  EXPECT_THAT(keys(first), ElementsAre(site_ + "add.value", site_ + "add_2.inner.value"));
  EXPECT_THAT(keys(second), ElementsAre(site_ + "add.value", site_ + "other.value"));
  EXPECT_EQ(second.at(site_ + "add.value").item<double>(), 3);
  EXPECT_EQ(keys(composed_.alone(patches(), {0, 2})), keys(patches()));

  const NamedTensors here = composed_.here(second, {1});
  EXPECT_THAT(keys(here), ElementsAre(site_ + "add_3.value", site_ + "other.value"));
  EXPECT_EQ(here.at(site_ + "add_3.value").item<double>(), 3);
}

TEST_F(ComposedDeltaTest, ANameThatTheSiteItselfHasIsTakenAloneToo) {
  attach("weight", 1);
  composed_.add_strategy(*model_);
  attach("weight", 2);
  composed_.add_strategy(*model_);
  EXPECT_THAT(keys(composed_.alone(patches(), {1})), ElementsAre(site_ + "weight_2.value"));
  EXPECT_THAT(keys(composed_.here(composed_.alone(patches(), {1}), {1})), ElementsAre(site_ + "weight_3.value"));
}

TEST_F(ComposedDeltaTest, OwnersAreThoseWhoAttachedAndWhoAskedFirst) {
  attach("add", 1);
  model_->train_base(site_ + "bias");
  composed_.add_strategy(*model_);
  attach("add", 2);
  model_->train_base(site_ + "bias");
  composed_.add_strategy(*model_);
  EXPECT_EQ(composed_.owner(site_ + "add.value"), 0U);
  EXPECT_EQ(composed_.owner(site_ + "add_2.value"), 1U);
  EXPECT_EQ(composed_.owner_of_patch(site_ + "add_2"), 1U);
  EXPECT_EQ(composed_.owner(site_ + "bias"), 0U);
  EXPECT_EQ(composed_.owner("classifier.weight"), std::nullopt);
  const NamedTensors delta = collect_delta(*model_);
  EXPECT_THAT(keys(composed_.alone(delta, {0})), ElementsAre(site_ + "add.value", site_ + "bias"));
  EXPECT_THAT(keys(composed_.alone(delta, {1})), ElementsAre(site_ + "add.value"));
}

TEST_F(ComposedDeltaTest, KeysOfNoPatchPassUnchanged) {
  attach("add", 1);
  composed_.add_strategy(*model_);
  const NamedTensors delta = {{"classifier.weight", torch::zeros({1})}, {"cls.x", torch::zeros({1})}};
  EXPECT_THAT(keys(composed_.here(delta, {0})), ElementsAre("classifier.weight", "cls.x"));
  EXPECT_TRUE(composed_.alone(delta, {0}).empty());
}

plugin::LoadedStrategy load(const std::string& file, ConfigNode settings = {ConfigNode::Table{}}) {
  return plugin::load_file(plugin::Kind::kStrategy, PLUGTUNE_BINARY_DIR "/" + file)
      .create_strategy(ConfigView(std::move(settings)));
}

Methods two(const std::string& first, const std::string& second, std::vector<bool> frozen = {}) {
  std::vector<plugin::LoadedStrategy> strategies;
  strategies.push_back(load(first));
  strategies.push_back(load(second));
  return Methods(std::move(strategies), std::move(frozen));
}

const std::string kLora = "lib/plugtune/lora.strategy.so", kAdapter = "lib/plugtune/adapter.strategy.so",
                  kAdaLora = "lib/plugtune/adalora.strategy.so";

TEST(FrozenStrategies, DoNotTrainAndCountNothing) {
  const auto model = testing::tiny_model();
  Methods methods = two(kLora, kLora, {true, false});
  methods.apply(*model);
  ASSERT_EQ(methods.trainable_counts().size(), 2U);
  EXPECT_EQ(methods.trainable_counts()[0], 0);
  EXPECT_GT(methods.trainable_counts()[1], 0);
  for (const auto& [key, parameter] : model->patch_parameters())
    EXPECT_EQ(parameter.requires_grad(), key.find(".lora_2.") != std::string::npos) << key;
}

class Silent final : public Listener {
 public:
  void on_step(const StepReport&) override {}
  void on_evaluation(const EvalReport&) override {}
  void on_message(const std::string&) override {}
};

data::EncodedSplit split_of(const testing::Golden& golden) {
  data::EncodedSplit split;
  split.task.labels = {"a", "b", "c"};
  split.texts.offsets = {0};
  const model::Input input = golden.input("a");
  const Tensor labels = golden.at("a/labels");
  for (int64_t b = 0; b < input.layout.sequences(); ++b) {
    for (int64_t row = input.layout.offset(b); row < input.layout.offset(b + 1); ++row)
      split.texts.ids.push_back(static_cast<int32_t>(input.ids[row].item<int64_t>()));
    split.texts.offsets.push_back(static_cast<int64_t>(split.texts.ids.size()));
    split.texts.first_lengths.push_back(static_cast<int32_t>(input.layout.length(b)));
    split.labels.push_back(labels[b].item<int64_t>());
  }
  return split;
}

/// Two adapters, the first frozen, with random values; its bits before and after training.
void expect_frozen_bits_stay(Precision precision) {
  torch::manual_seed(5);
  const auto model = testing::tiny_model();
  Methods methods = two(kAdapter, kAdapter, {true, false});
  methods.apply(*model);
  for (auto& [name, parameter] : model->own_parameters())
    if (name.starts_with("classifier.")) parameter.set_requires_grad(true);
  NamedTensors before;
  {
    torch::NoGradGuard no_grad;
    for (auto& [key, tensor] : model->patch_parameters())
      before.emplace(key, tensor.normal_(0, 0.3).clone());
  }
  const data::EncodedSplit train = split_of(testing::Golden("full_classification"));
  TrainSettings settings;
  settings.steps = 6;
  settings.batch_size = 5;
  settings.learning_rate = 1e-2;
  settings.precision = precision;
  EvalSettings eval;
  eval.every.steps = Every::kNever;
  Silent listener;
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("plugtune-frozen-" + std::to_string(::getpid()));
  const CheckpointStore checkpoints(folder, 1);
  Trainer trainer({*model, methods, train, nullptr, &checkpoints, listener, settings, eval, 42});
  trainer.run(/*resume=*/false);
  trainer.run(/*resume=*/true);  // loads the checkpoint: rounds anew
  std::filesystem::remove_all(folder);
  const NamedTensors after = trainer.delta();
  size_t frozen = 0;
  for (const auto& [key, tensor] : before) {
    const bool is_frozen = methods.composed().owner(key) == 0U;
    EXPECT_EQ(torch::equal(after.at(key), tensor), is_frozen) << key;
    frozen += is_frozen ? 1 : 0;
  }
  EXPECT_EQ(frozen * 2, before.size());
}

TEST(FrozenStrategies, KeepTheirBitsInTraining) { expect_frozen_bits_stay(Precision::kFp32); }
TEST(FrozenStrategies, AreSavedAsTheyWereLoadedWhenTrainingRoundsThem) { expect_frozen_bits_stay(Precision::kBf16); }

TEST(Methods, KnowWhetherOneLooksAtWeights) {
  EXPECT_FALSE(two(kLora, kAdapter).look_at_weights());
  EXPECT_TRUE(two(kLora, kAdaLora).look_at_weights());  // observes steps, adds to the loss
  EXPECT_FALSE(two(kLora, kAdaLora, {false, true}).look_at_weights());
}

TEST(Methods, WhatWritesIntoTheBaseIsRefused) {
  const std::string file = "tests/broken/changes-base.strategy.so";
  std::vector<plugin::LoadedStrategy> strategies;
  strategies.push_back(load(file));
  Methods methods(std::move(strategies));
  const auto model = testing::tiny_model();
  try {
    methods.apply(*model);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "in strategy 'changes-base' 1.0.0 (" PLUGTUNE_BINARY_DIR "/" + file +
                  "), apply(): changes the base parameter 'encoder.layer.1.attention.self.query.weight'; keep what "
                  "differs in a patch");
  }
}

std::string backward_error(const std::vector<std::string>& files) {
  const auto model = testing::tiny_model();
  std::vector<plugin::LoadedStrategy> strategies;
  for (const std::string& file : files)
    strategies.push_back(load(file));
  Methods methods(std::move(strategies));
  methods.apply(*model);
  const testing::Golden golden("full_classification");
  const Tensor loss =
      model::task_loss(TaskKind::kClassification, model->forward(golden.input("a")), golden.at("a/labels"), 5);
  try {
    methods.backward(loss);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Backward, WhatItThrowsNamesTheStrategy) {
  const std::string broken = "tests/broken/throws-backward.strategy.so", sound = "tests/broken/sound.strategy.so";
  const std::string message =
      "in strategy 'throws-backward' 1.0.0 (" PLUGTUNE_BINARY_DIR "/" + broken + "), backward(): gradient is not known";
  EXPECT_EQ(backward_error({broken}), message);
  EXPECT_EQ(backward_error({sound, broken}), message);
  EXPECT_EQ(backward_error({broken, sound}), message);
  EXPECT_EQ(backward_error({sound, sound}), "");
}

}  // namespace
}  // namespace plugtune::train
