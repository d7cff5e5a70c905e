// adalora_test.cc - AdaLoRA against peft through its whole budget schedule, going on from a checkpoint, folding, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::near;
using testing::near_golden;
using testing::tiny_model;
using testing::tuned;

const nlohmann::json kSettings = {  // generate_peft_adalora.py's
    {"init_rank", 6}, {"target_rank", 2}, {"alpha", 9},   {"initial_steps", 2},      {"final_steps", 3},
    {"interval", 2},  {"beta1", 0.8},     {"beta2", 0.7}, {"orthogonal_weight", 0.3}};
const TrainingPlan kPlan = {.steps = 10, .steps_per_epoch = 10, .warmup_steps = 2};

class AdaloraGolden : public ::testing::Test {
 protected:
  /// A model with the strategy and peft's values on it, and an optimizer.
  struct Run {
    explicit Run(const Golden& golden) : golden(golden), strategy(make_strategy(kSettings)), model(tiny_model()) {
      strategy->apply(*model);
      testing::train_head(*model);
      testing::take_start(golden, *model);
      model->eval();
    }
    void start_training() {
      as<PlanObserver>().on_train_begin(kPlan);
      train::TrainSettings settings;
      settings.learning_rate = 1e-3;
      settings.weight_decay = 0.01;
      optimizer = std::make_unique<train::FlatOptimizer>(train::trainable_parameters(*model), settings,
                                                         [](const std::string&) { return ParamRule{}; });
    }
    void train(int64_t from, int64_t to) {
      for (int64_t step = from; step < to; ++step) {
        const std::string batch = step % 2 == 0 ? "a" : "b";
        const Tensor loss = model::task_loss(TaskKind::kClassification, model->forward(golden.input(batch)),
                                             golden.at(batch + "/labels"), 5) +
                            as<AuxiliaryLoss>().auxiliary_loss();
        loss.backward();
        as<StepObserver>().on_backward_end(step);
        losses[step] = loss.item<float>();
        norms[step] = optimizer->grad_norm();
        optimizer->step(train::schedule_factor(train::ScheduleKind::kLinear, step, 2, 10), /*grad_scale=*/1);
        as<StepObserver>().on_step_end(step);
        optimizer->zero_grad();
        kept.push_back(kept_now());
        is_final.push_back(as<FinalForm>().has_final_form());
      }
    }
    /// Singular values that are not zero, layer by layer.
    Tensor kept_now() const {
      std::vector<Tensor> found;
      for (const auto& [key, parameter] : model->patch_parameters())
        if (key.ends_with(".e")) found.push_back(parameter.detach().flatten().ne(0));
      return torch::stack(found).to(torch::kInt64);
    }
    template <class Capability>
    Capability& as() {
      return dynamic_cast<Capability&>(*strategy);
    }
    const Golden& golden;
    std::unique_ptr<Strategy> strategy;
    std::shared_ptr<model::Bert> model;
    std::unique_ptr<train::FlatOptimizer> optimizer;
    Tensor losses = torch::zeros({10}), norms = torch::zeros({10});
    std::vector<Tensor> kept;
    std::vector<bool> is_final;
  };

  const Golden golden{"adalora_peft"};
  Run run{golden};
};

TEST_F(AdaloraGolden, LogitsLossRegulariserAndEveryGradientEqualPeft) {
  testing::expect_golden_pass(golden, *run.model, [&] { return run.as<AuxiliaryLoss>().auxiliary_loss(); });
}

TEST_F(AdaloraGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*run.model); }

TEST_F(AdaloraGolden, FoldedModelGivesTheLogitsOfPeftsMergedOne) {
  run.model->fold();
  EXPECT_TRUE(run.model->patched_sites().empty());
  EXPECT_TRUE(near_golden(golden, "merged_logits", run.model->forward(golden.input("a"))));
}

TEST_F(AdaloraGolden, TenStepsThroughTheBudgetEqualPefts) {
  run.start_training();
  run.train(0, 10);
  EXPECT_TRUE(near_golden(golden, "losses", run.losses, 2e-5));
  EXPECT_TRUE(near_golden(golden, "grad_norms", run.norms, 2e-5));
  EXPECT_TRUE(torch::equal(torch::stack(run.kept), golden.at("kept")));
  for (size_t step = 2; step < 10; ++step)  // before, the singular values are still at zero
    EXPECT_EQ(run.is_final[step], run.kept[step].sum().item<int64_t>() <= 2 * run.kept[step].size(0)) << step;
  const double rounding = testing::group_rounding(golden, "final/");
  for (const auto& [key, tensor] : golden.tensors()) {
    if (!key.starts_with("final/")) continue;
    EXPECT_TRUE(near(run.optimizer->master(testing::delta_key(key.substr(6))), tensor, rounding, 2e-5)) << key;
  }
}

TEST_F(AdaloraGolden, TheScheduleGoesOnFromACheckpoint) {
  // Before, between and behind the allocations: what is remembered of the triplets is not the same there.
  Run whole(golden);
  whole.start_training();
  whole.train(0, 10);
  for (const int64_t at : {1, 5, 9}) {
    Run first(golden), second(golden);
    first.start_training();
    first.train(0, at);
    second.start_training();
    second.optimizer->load_state(first.optimizer->state(), at, "checkpoint");
    second.as<CustomState>().load_state(first.as<CustomState>().save_state());
    second.train(at, 10);
    EXPECT_TRUE(torch::equal(second.optimizer->state().at("parameters"), whole.optimizer->state().at("parameters")))
        << at;
    EXPECT_TRUE(torch::equal(second.kept_now(), whole.kept_now())) << at;
  }
}

TEST_F(AdaloraGolden, RefusesAStateOfOtherTriplets) {
  auto strategy = make_strategy();
  strategy->apply(*tiny_model());
  const std::string other = dynamic_cast<CustomState&>(*strategy).save_state();
  for (const std::string& state : {std::string(), other, run.as<CustomState>().save_state().substr(1)})
    EXPECT_EQ(error_of([&] { run.as<CustomState>().load_state(state); }),
              "strategy 'adalora': the state is not one of these triplets");
}

TEST(Adalora, NothingIsDroppedWhereTheBudgetIsTheWholeRank) {
  auto strategy = make_strategy(nlohmann::json{{"init_rank", 3}, {"target_rank", 3}});
  dynamic_cast<PlanObserver&>(*strategy).on_train_begin({.steps = 2, .steps_per_epoch = 2, .warmup_steps = 0});
  const auto model = tiny_model();
  strategy->apply(*model);
  const torch::NoGradGuard no_grad;
  for (auto& [key, parameter] : model->patch_parameters()) {
    if (key.ends_with(".e")) parameter.fill_(1);
    parameter.mutable_grad() = torch::zeros_like(parameter);
  }
  for (int64_t step = 0; step < 4; ++step)
    dynamic_cast<StepObserver&>(*strategy).on_step_end(step);
  for (const auto& [key, parameter] : model->patch_parameters()) {
    if (key.ends_with(".e")) {
      EXPECT_TRUE(parameter.eq(1).all().item<bool>()) << key;
    }
  }
}

TEST(Adalora, StartsAsTheIdentity) {
  const Golden golden("full_classification");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  EXPECT_TRUE(near(tuned(nlohmann::json::object())->forward(golden.input("a")), bare, 0, 1e-7));
}

TEST(Adalora, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy()->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 12 * 2 * 12 * (768 + 1 + 768));
}

TEST(Adalora, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"rank", 4}},
       "strategy.rank: unknown key; keys of strategy 'adalora': targets, layers, name, init_rank, target_rank, "
       "initial_steps, final_steps, interval, alpha, dropout, orthogonal_weight, beta1, beta2"},
      {{{"target_rank", 13}}, "strategy.target_rank: must be between 1 and 12, got 13"},
      {{{"beta1", 1}}, "strategy.beta1: must be between 0 and 0.999999, got 1"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
  const auto strategy = make_strategy({{"initial_steps", 4}, {"final_steps", 6}});
  EXPECT_EQ(error_of([&] { dynamic_cast<PlanObserver&>(*strategy).on_train_begin(kPlan); }),
            "strategy.final_steps: must leave, with initial_steps, steps to shrink in");
}

}  // namespace
}  // namespace plugtune
