// trainer_test.cc - the trainer's promises on the tiny model: micro-batches, early stopping, the best delta, checkpoints.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <regex>

#include "support/golden.h"
#include "train/delta.h"
#include "train/interrupt.h"

namespace plugtune::train {
namespace {

namespace fs = std::filesystem;

/// Random texts whose first word says the label.
data::EncodedSplit random_split(int64_t examples, uint64_t seed) {
  torch::manual_seed(seed);
  data::EncodedSplit split;
  split.task.labels = {"a", "b", "c"};
  split.texts.offsets = {0};
  for (int64_t i = 0; i < examples; ++i) {
    const int64_t length = torch::randint(2, 12, {1}).item<int64_t>(), label = torch::randint(3, {1}).item<int64_t>();
    split.texts.ids.push_back(static_cast<int32_t>(10 + label));
    for (int64_t j = 1; j < length; ++j)
      split.texts.ids.push_back(torch::randint(20, 100, {1}).item<int32_t>());
    split.texts.offsets.push_back(static_cast<int64_t>(split.texts.ids.size()));
    split.texts.first_lengths.push_back(static_cast<int32_t>(length));
    split.labels.push_back(label);
  }
  return split;
}

/// What the next run on the same model does not change.
NamedTensors copies(NamedTensors tensors) {
  for (auto& [name, tensor] : tensors)
    tensor = tensor.clone();
  return tensors;
}

class Recorder final : public Listener {
 public:
  void on_step(const StepReport& report) override {
    steps.push_back(report);
    if (raise_at == report.step) std::raise(SIGTERM);
  }
  void on_evaluation(const EvalReport& report) override { evaluations.push_back(report); }
  void on_message(const std::string& line) override { messages.push_back(line); }
  std::vector<StepReport> steps;
  std::vector<EvalReport> evaluations;
  std::vector<std::string> messages;
  int64_t raise_at = -1;
};

/// Changes nothing, but the word embedding is not bare.
class Nothing final : public Patch<TokenIn> {
  Tensor forward(const TokenIn& in, const Next<TokenIn>& next) override { return next(in); }
};

/// The first layer's rows, added to what comes out of the last: as no patch should.
class AcrossLayers final : public Patch<LayerIn> {
 public:
  AcrossLayers(std::shared_ptr<Tensor> rows, bool keeps) : rows_(std::move(rows)), keeps_(keeps) {}
  Tensor forward(const LayerIn& in, const Next<LayerIn>& next) override {
    const Tensor h = next(in);
    if (keeps_) *rows_ = h;
    return keeps_ ? h : h + *rows_;
  }

 private:
  std::shared_ptr<Tensor> rows_;
  bool keeps_;
};

std::shared_ptr<model::Bert> model_with_dropout() {
  model::BertOptions options = testing::tiny_model()->options();
  options.hidden_dropout = options.attention_dropout = options.classifier_dropout = 0.1;
  auto bert = std::make_shared<model::Bert>(options);
  torch::manual_seed(5);
  bert->reset_parameters();
  return bert;
}

class TrainerTest : public ::testing::Test {
 protected:
  TrainerTest() : train_(random_split(40, 1)), evaluation_(random_split(24, 2)) {
    settings_.epochs = 4;
    settings_.batch_size = 8;
    settings_.learning_rate = 1e-3;
    settings_.log_every = 1;
  }

  /// Full fine-tuning of the tiny model. The model that was trained is in model_.
  TrainResult run(const CheckpointStore* checkpoints = nullptr, bool resume = false) {
    model_ = with_dropout_ ? model_with_dropout() : testing::tiny_model();
    for (const auto& [name, parameter] : model_->base_parameters())
      model_->train_base(name);
    for (auto& [name, parameter] : model_->own_parameters())
      parameter.set_requires_grad(true);
    if (across_layers_) {
      const auto rows = std::make_shared<Tensor>();
      model_->layer(0).attach("first", std::make_shared<AcrossLayers>(rows, true));
      model_->layer(1).attach("last", std::make_shared<AcrossLayers>(rows, false));
    }
    if (whole_words_) model_->word_embeddings().attach("nothing", std::make_shared<Nothing>());
    torch::manual_seed(3);
    Trainer trainer({*model_, methods_, train_, &evaluation_, checkpoints, recorder_, settings_, eval_, 42});
    const TrainResult result = trainer.run(resume);
    delta_ = copies(trainer.delta());
    return result;
  }

  std::string error_of_run() {
    try {
      run();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  double largest_difference(const NamedTensors& other) const {
    double largest = 0;
    for (const auto& [key, tensor] : delta_) {
      if (key.ends_with("key.bias")) continue;  // its gradient is rounding noise (tests/golden/README.md)
      largest = std::max(largest, testing::largest(tensor - other.at(key)));
    }
    return largest;
  }

  data::EncodedSplit train_, evaluation_;
  Methods methods_;
  TrainSettings settings_;
  EvalSettings eval_;
  Recorder recorder_;
  std::shared_ptr<model::Bert> model_;
  NamedTensors delta_;
  bool whole_words_ = false, with_dropout_ = false, across_layers_ = false;
  fs::path folder_ = fs::temp_directory_path() / ("plugtune-trainer-" + std::to_string(::getpid()));
};

TEST_F(TrainerTest, MicroBatchesOfAnySizeGiveTheSameResult) {
  run();
  const NamedTensors whole = delta_;
  settings_.micro_batch_tokens = 13;
  run();
  EXPECT_LT(largest_difference(whole), 2e-5);
}

TEST_F(TrainerTest, LayersComputedAgainGiveTheSameBits) {
  with_dropout_ = true;
  run();
  const NamedTensors kept = delta_;
  settings_.recompute = true;
  run();
  for (const auto& [key, tensor] : delta_)
    EXPECT_TRUE(torch::equal(tensor, kept.at(key))) << key;
}

TEST_F(TrainerTest, RecomputeRefusesAStrategyThatKeepsTensorsOfAPass) {
  across_layers_ = true;
  run();
  settings_.recompute = true;
  EXPECT_EQ(error_of_run(),
            "train.recompute: does not go with these strategies: one keeps tensors of a layer's pass for another, and "
            "a layer "
            "that is computed again makes its own; leave it out");
}

TEST_F(TrainerTest, ABudgetOfMemoryChoosesTheMicroBatches) {
  settings_.memory = 1'000'000'000;  // more than everything
  run();
  const NamedTensors whole = delta_;
  settings_.memory = 1;
  const std::string text = error_of_run();
  EXPECT_TRUE(text.starts_with(
      "train.memory: 0.00 GB is too little: what is there all the time takes 0.32 GB, the longest text "
      "(11 tokens) 0.00 GB more; at least 0.32 GB is needed"))
      << text;
  settings_.memory = 330'000'000;
  recorder_.messages.clear();
  run();
  ASSERT_EQ(recorder_.messages.size(), 1u);
  EXPECT_TRUE(std::regex_match(recorder_.messages[0], std::regex("train.memory has room for [0-9]+ tokens at a time")))
      << recorder_.messages[0];
  EXPECT_LT(largest_difference(whole), 2e-5);
}

/// What a strategy sees between passes is the (V, H) that it is promised.
TEST_F(TrainerTest, AWordTableThatAStrategyLooksAtStaysWhole) {
  const auto model = testing::tiny_model();
  model->train_base(WordCompaction::kName);
  model->word_embeddings().weight.set_requires_grad(true);
  const int64_t words = model->word_embeddings().weight.size(0);
  {
    const WordCompaction looked_at(*model, train_, &evaluation_, /*is_looked_at=*/true);
    EXPECT_FALSE(looked_at.active());
    EXPECT_EQ(looked_at.table_bytes(), 0);
    EXPECT_EQ(model->word_embeddings().weight.size(0), words);
  }
  const WordCompaction compact(*model, train_, &evaluation_, /*is_looked_at=*/false);
  EXPECT_TRUE(compact.active());
  EXPECT_EQ(compact.table_bytes(), words * 32 * 4);
  EXPECT_LT(model->word_embeddings().weight.size(0), words);
}

TEST_F(TrainerTest, TrainsTheWordsInUseAsIfItTrainedAll) {
  const Tensor before = testing::tiny_model()->word_embeddings().weight.detach().clone();
  settings_.weight_decay = 0.1;
  for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
    settings_.precision = precision;
    const auto step_losses = [&] {
      std::vector<double> losses;
      for (const StepReport& report : std::exchange(recorder_.steps, {}))
        losses.push_back(report.loss);
      return losses;
    };
    run();
    const std::vector<double> compact = step_losses();
    EXPECT_EQ(model_->word_embeddings().weight.sizes(), before.sizes());
    const NamedTensors delta = delta_;
    const Tensor words = delta.at("embeddings.word_embeddings.weight");
    whole_words_ = true;
    run();
    whole_words_ = false;
    const std::vector<double> whole = step_losses();
    ASSERT_EQ(compact.size(), whole.size());
    const double bound = precision == Precision::kFp32 ? 2e-6 : 2e-3;
    for (size_t i = 0; i < whole.size(); ++i)
      EXPECT_NEAR(compact[i], whole[i], bound * 10);
    EXPECT_LT(largest_difference(delta), bound);
    // Word 5 is in no text: weight decay alone changed it, in both.
    EXPECT_GT(testing::largest(words[5] - before[5]), 0);
    EXPECT_LT(testing::largest(words[5] - delta_.at("embeddings.word_embeddings.weight")[5]), 1e-7);
  }
}

/// The tiny model of two layers, of which the lower ones are frozen: all, but where `layers_` is 1. No dropout in what trains.
class FrozenLayersTest : public TrainerTest {
 protected:
  TrainResult run_above(const CheckpointStore* checkpoints = nullptr, bool resume = false) {
    const auto pretrained = testing::tiny_model();
    model::BertOptions options = pretrained->options();
    options.hidden_dropout = options.attention_dropout = dropout_;
    options.classifier_dropout = 0;
    model_ = std::make_shared<model::Bert>(options);
    {
      const torch::NoGradGuard no_grad;
      const auto values = pretrained->own_parameters();
      for (size_t i = 0; i < values.size(); ++i)
        model_->own_parameters()[i].second.copy_(values[i].second);
    }
    for (auto& [name, parameter] : model_->own_parameters())
      parameter.set_requires_grad(model::is_head_parameter(name));
    for (const auto& [name, parameter] : model_->base_parameters()) {
      if (name.starts_with("pooler.") || (layers_ == 1 && name.starts_with("encoder.layer.1.")))
        model_->train_base(name);
    }
    if (is_patched_) model_->layer(0).attach("first", std::make_shared<AcrossLayers>(std::make_shared<Tensor>(), true));
    torch::manual_seed(seed_);
    Trainer trainer({*model_, methods_, train_, &evaluation_, checkpoints, recorder_, settings_, eval_, 42});
    const TrainResult result = trainer.run(resume);
    delta_ = copies(trainer.delta());
    return result;
  }

  void expect_computed_once(const std::string& message) {
    settings_.learning_rate = layers_ == 1 ? 1e-3 : 1e-2;
    const TrainResult once = run_above();
    EXPECT_EQ(recorder_.messages, std::vector<std::string>({message}));
    const NamedTensors cached = delta_;
    settings_.cache_frozen = false;
    const TrainResult anew = run_above();
    EXPECT_EQ(recorder_.messages.size(), 1u);
    EXPECT_LT(largest_difference(cached), 1e-5);
    ASSERT_EQ(once.epochs.size(), anew.epochs.size());
    for (size_t i = 0; i < once.epochs.size(); ++i)
      EXPECT_NEAR(once.epochs[i].eval.at("loss"), anew.epochs[i].eval.at("loss"), 1e-5);
  }

  int64_t layers_ = 2;  // frozen ones
  double dropout_ = 0;
  bool is_patched_ = false;
  uint64_t seed_ = 3;
};

TEST_F(FrozenLayersTest, WhatTheHeadReadsIsComputedOnceAndItLearnsTheSame) {
  expect_computed_once("the head alone trains: what it reads of each text is computed once");
}

TEST_F(FrozenLayersTest, WhatALayerReadsIsComputedOnceAndItLearnsTheSame) {
  layers_ = 1;
  expect_computed_once("nothing trains in the lowest 1 of 2 layers: what they compute of each text is computed once");
}

TEST_F(FrozenLayersTest, GoOnToTheSameBits) {
  for (layers_ = 1; layers_ <= 2; ++layers_) {
    const CheckpointStore checkpoints(folder_ / "checkpoints", 1);
    run_above();
    const NamedTensors uninterrupted = delta_;
    recorder_.raise_at = 9;
    note_interrupts();
    EXPECT_THROW(run_above(&checkpoints), Interrupted);
    recorder_.raise_at = -1;
    note_interrupts();
    run_above(&checkpoints, /*resume=*/true);
    EXPECT_EQ(largest_difference(uninterrupted), 0);
    fs::remove_all(folder_);
  }
}

TEST_F(FrozenLayersTest, WhatIsKeptCountsForTheMemory) {
  layers_ = 1;
  settings_.memory = 400'000'000;
  run_above();
  ASSERT_EQ(recorder_.messages.size(), 2u);
  int64_t kept = 0, anew = 0;
  const auto tokens_in = [&] {
    return std::stoll(recorder_.messages[0].substr(recorder_.messages[0].find("for ") + 4));
  };
  kept = tokens_in();
  recorder_.messages.clear();
  settings_.cache_frozen = false;
  run_above();
  anew = tokens_in();
  EXPECT_LT(kept, anew);
}

TEST_F(FrozenLayersTest, AnEpochOrLessIsNotWorthIt) {
  settings_.epochs = 1;
  run_above();
  EXPECT_EQ(recorder_.messages, std::vector<std::string>());
}

TEST_F(FrozenLayersTest, HaveNoDropoutWhetherTheyAreKeptOrNot) {
  dropout_ = 0.5;
  settings_.epochs = 1;
  const auto difference_of_seeds = [&] {
    seed_ = 3;
    run_above();
    const NamedTensors first = delta_;
    seed_ = 4;
    run_above();
    return largest_difference(first);
  };
  EXPECT_EQ(difference_of_seeds(), 0);
  settings_.cache_frozen = false;
  EXPECT_GT(difference_of_seeds(), 1e-5);
}

TEST_F(FrozenLayersTest, APatchInTheLowestLayerActsInEveryStep) {
  is_patched_ = true;
  run_above();
  EXPECT_EQ(recorder_.messages, std::vector<std::string>());
}

TEST_F(FrozenLayersTest, WhatReachesAcrossThemIsFoundOut) {
  const auto bert = testing::tiny_model();
  EXPECT_TRUE(Features(*bert, train_, /*layers=*/1, /*batch_tokens=*/64).agree(*bert));
  const auto rows = std::make_shared<Tensor>();
  bert->layer(0).attach("first", std::make_shared<AcrossLayers>(rows, true));
  bert->layer(1).attach("last", std::make_shared<AcrossLayers>(rows, false));
  EXPECT_FALSE(Features(*bert, train_, /*layers=*/1, /*batch_tokens=*/64).agree(*bert));
}

TEST_F(TrainerTest, LearnsWhatTheFirstWordSays) {
  settings_.epochs = 40;
  const TrainResult result = run();
  EXPECT_GT(result.epochs.back().eval.at("accuracy"), 0.9);
  EXPECT_EQ(result.steps, 200);
  EXPECT_EQ(recorder_.steps.size(), 200u);
}

TEST_F(TrainerTest, StopsWhenPatienceEvaluationsBroughtNothing) {
  settings_.learning_rate = 0;
  eval_.patience = 2;
  const TrainResult result = run();
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.epochs.size(), 3u);  // the first is the best, two more do not improve
  EXPECT_EQ(result.best_index, 0);
}

TEST_F(TrainerTest, DoingEveryStepIsNotStoppingEarly) {
  settings_.learning_rate = 0;
  settings_.epochs = 3;
  eval_.patience = 2;
  const TrainResult result = run();
  EXPECT_EQ(result.epochs.size(), 3u);
  EXPECT_FALSE(result.stopped_early);
}

TEST_F(TrainerTest, KeepsTheDeltaOfTheBestEvaluation) {
  const CheckpointStore checkpoints(folder_ / "checkpoints", 1);
  settings_.learning_rate = 0.05;  // too high: later epochs are worse than some earlier one
  settings_.epochs = 6;
  eval_.keep_best = true;
  eval_.metric = "loss";
  const TrainResult result = run(&checkpoints);
  EXPECT_TRUE(result.kept_best);
  double lowest = result.epochs.front().eval.at("loss");
  for (const EvalReport& report : result.epochs)
    lowest = std::min(lowest, report.eval.at("loss"));
  EXPECT_EQ(result.epochs[static_cast<size_t>(result.best_index)].eval.at("loss"), lowest);
  EXPECT_EQ(largest_difference(checkpoints.best(result.epochs[static_cast<size_t>(result.best_index)].step)), 0);
  fs::remove_all(folder_);
}

/// What a run that was killed had found to be better is not the best of the run that goes on from before it.
TEST_F(TrainerTest, EachCheckpointHasItsOwnBest) {
  const CheckpointStore checkpoints(folder_ / "checkpoints", 1);
  const auto delta = [](double value) { return NamedTensors{{"a", torch::full({2}, value)}}; };
  Checkpoint checkpoint{delta(0), {}, torch::zeros({4}, torch::kUInt8), {}};
  checkpoint.progress.evaluations.resize(1);
  checkpoint.progress.evaluations[0].step = 5;
  checkpoint.progress.evaluations[0].eval.values = {{"loss", 1.0}};
  checkpoint.progress.best_index = 0;
  const auto save_at = [&](int64_t step) {
    checkpoint.progress.step = step;
    checkpoints.save(checkpoint);
  };
  checkpoints.save_best(delta(5), 5);
  save_at(6);
  checkpoints.save_best(delta(9), 9);  // and then it was killed
  const int64_t best = checkpoints.newest()->progress.best_step();
  EXPECT_EQ(best, 5);
  EXPECT_TRUE(torch::equal(checkpoints.best(best).at("a"), delta(5).at("a")));
  save_at(12);
  EXPECT_FALSE(fs::exists(folder_ / "checkpoints/best-000009"));
  EXPECT_TRUE(fs::exists(folder_ / "checkpoints/best-000005"));
  // Between two checkpoints they do not pile up.
  for (const int64_t step : {13, 14, 15})
    checkpoints.save_best(delta(13), step);
  EXPECT_TRUE(fs::exists(folder_ / "checkpoints/best-000005"));
  EXPECT_FALSE(fs::exists(folder_ / "checkpoints/best-000014"));
  EXPECT_TRUE(fs::exists(folder_ / "checkpoints/best-000015"));
  fs::remove_all(folder_);
}

TEST_F(TrainerTest, ACheckpointOfOtherTextsOrWeightsIsRefused) {
  const CheckpointStore checkpoints(folder_ / "checkpoints", 1);
  run(&checkpoints);
  settings_.epochs = 5;
  train_.texts.ids[3] = 21;
  try {
    run(&checkpoints, /*resume=*/true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "checkpoint of step 20: was trained on other texts than the data set has now; begin another run");
  }
  fs::remove_all(folder_);
  Progress progress;
  progress.base = "sha256:1";
  check_origin("it", progress, "", "");  // not known here
  check_origin("it", progress, "sha256:1", "a");
  EXPECT_THROW(check_origin("it", progress, "sha256:2", "a"), Error);
}

TEST_F(TrainerTest, KeepsTheNewestCheckpointsOnly) {
  const CheckpointStore checkpoints(folder_ / "checkpoints", 2);
  settings_.checkpoint_every.steps = 3;
  run(&checkpoints);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_ / "checkpoints"))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"step-000018", "step-000020"}));
  EXPECT_EQ(checkpoints.newest_step(), 20);
  fs::remove_all(folder_);
}

TEST_F(TrainerTest, AnInterruptAtAnyStepResumesToTheSameBits) {
  run();
  const NamedTensors whole = delta_;
  for (const int64_t step : {1, 5, 12, 19}) {
    const CheckpointStore checkpoints(folder_ / "checkpoints", 1);
    recorder_.raise_at = step;
    note_interrupts();
    EXPECT_THROW(run(&checkpoints), Interrupted) << step;
    recorder_.raise_at = -1;
    note_interrupts();
    run(&checkpoints, /*resume=*/true);
    EXPECT_EQ(recorder_.messages.back(), "resumed after step " + std::to_string(step) + " of 20");
    for (const auto& [key, tensor] : delta_)
      EXPECT_TRUE(torch::equal(tensor, whole.at(key))) << key << " after " << step;
    fs::remove_all(folder_);
  }
}

TEST_F(TrainerTest, NumbersThatAreNotFiniteNameStepAndPlace) {
  settings_.learning_rate = 1e30;
  settings_.max_grad_norm = 0;
  try {
    run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("training: the loss is not finite at step 2: ")) << error.what();
  }
}

TEST_F(TrainerTest, WhatTheLastUpdateMadeIsLookedAt) {
  settings_.epochs = 0.2;  // one step: no loss sees its values
  settings_.learning_rate = 1e39;
  const std::string text = error_of_run();
  EXPECT_TRUE(std::regex_match(
      text, std::regex("training: the trained values of [a-z.0-9_]+ are not finite after step 1; lower "
                       "train.learning_rate, or set train.max_grad_norm")))
      << text;
  EXPECT_TRUE(recorder_.evaluations.empty());
}

}  // namespace
}  // namespace plugtune::train
