// experiment_test.cc - an experiment's settings, defaults, and what is kept of them.
#include "experiment/experiment.h"

#include "experiment/toml.h"
#include "unit/experiment/support.h"

namespace plugtune::experiment {
namespace {

using Experiments = InFolder;

ConfigNode plugin_settings() { return parse_toml("rank = 8\ntargets = [\"query\"]\n", "x"); }
ConfigNode data_settings() { return parse_toml("path = \"data\"\n", "x"); }

TEST_F(Experiments, TheLeastExperimentHasTheDocumentedDefaults) {
  const Experiment experiment = experiment_of(kSmallest);
  EXPECT_TRUE(experiment.problems.empty());
  EXPECT_EQ(experiment.run.name, "experiment");  // the file's
  EXPECT_EQ(write_toml(resolved(experiment, data_settings(), {plugin_settings()})), R"([run]
name = "experiment"
seed = 42
threads = 0

[model]
path = "m"
init = "pretrained"

[data]
plugin = "reviews"
max_length = 128
train_limit = 0
eval_limit = 0
normalize = "none"
special_tokens_in_text = true
path = "data"

[task]
kind = "auto"
train_pooler = "auto"

[strategy]
plugin = "method"
rank = 8
targets = ["query"]

[train]
epochs = 4.0
batch_size = 32
micro_batch_tokens = 0
memory = ""
recompute = false
group_by_length = false
cache_frozen = true
learning_rate = 5e-4
schedule = "linear"
warmup_ratio = 0.0
warmup_steps = 0
weight_decay = 0.0
beta1 = 0.9
beta2 = 0.999
epsilon = 1e-8
max_grad_norm = 1.0
precision = "fp32"
device = "cpu"
log_every = 50
checkpoint_every = "epoch"
keep_checkpoints = 1

[eval]
every = "epoch"
metric = "auto"
split = "auto"
keep = "auto"
patience = 0
batch_tokens = 1024
)");
}

TEST_F(Experiments, EverySettingReachesItsField) {
  const Experiment e = experiment_of(R"(
[run]
name = "r"
seed = 7
threads = 3
[model]
path = "m"
init = "random"
dropout = 0
[data]
plugin = "reviews"
max_length = 64
train_limit = 10
eval_limit = 5
normalize = "nfc"
special_tokens_in_text = false
path = "p"
[task]
kind = "regression"
train_pooler = true
[[strategy]]
plugin = "first"
rank = 1
[[strategy]]
plugin = "second"
[train]
steps = 9
batch_size = 2
micro_batch_tokens = 100
recompute = true
group_by_length = true
learning_rate = 1
schedule = "cosine"
warmup_ratio = 0.5
warmup_steps = 4
weight_decay = 0.1
beta1 = 0.5
beta2 = 0.25
epsilon = 1e-6
max_grad_norm = 0
precision = "bf16"
device = "cpu"
log_every = 2
checkpoint_every = 6
keep_checkpoints = 3
[eval]
every = "never"
metric = "mae"
split = "test"
keep = "last"
batch_tokens = 77
test = false
mistakes = 3
)");
  EXPECT_EQ(e.problems, std::vector<std::string>());
  EXPECT_EQ(e.run.name, "r");
  EXPECT_EQ(e.run.seed, 7);
  EXPECT_EQ(e.train.threads, 3);
  EXPECT_TRUE(e.model.random_init);
  EXPECT_EQ(e.model.dropout, 0);
  EXPECT_EQ(e.data.max_length, 64);
  EXPECT_EQ(e.data.train_limit, 10);
  EXPECT_EQ(e.data.eval_limit, 5);
  EXPECT_TRUE(e.data.normalize_nfc);
  EXPECT_FALSE(e.data.special_tokens_in_text);
  EXPECT_EQ(e.task.kind, "regression");
  EXPECT_EQ(e.task.train_pooler, TrainPooler::kYes);
  ASSERT_EQ(e.strategies.size(), 2u);
  EXPECT_EQ(e.strategies[1].plugin, "second");
  EXPECT_EQ(e.strategies[0].subject, "strategy[0]");
  EXPECT_EQ(e.strategies[0].settings.find("plugin"), nullptr);
  EXPECT_EQ(e.train.steps, 9);
  EXPECT_EQ(e.train.batch_size, 2);
  EXPECT_EQ(e.train.micro_batch_tokens, 100);
  EXPECT_TRUE(e.train.recompute);
  EXPECT_TRUE(e.train.group_by_length);
  EXPECT_EQ(e.train.learning_rate, 1.0);
  EXPECT_EQ(e.train.schedule, train::ScheduleKind::kCosine);
  EXPECT_EQ(e.train.warmup_ratio, 0.5);
  EXPECT_EQ(e.train.warmup_steps, 4);
  EXPECT_EQ(e.train.weight_decay, 0.1);
  EXPECT_EQ(e.train.beta1, 0.5);
  EXPECT_EQ(e.train.beta2, 0.25);
  EXPECT_EQ(e.train.epsilon, 1e-6);
  EXPECT_EQ(e.train.max_grad_norm, 0.0);
  EXPECT_EQ(e.train.precision, train::Precision::kBf16);
  EXPECT_EQ(e.train.log_every, 2);
  EXPECT_EQ(e.train.checkpoint_every.steps, 6);
  EXPECT_EQ(e.train.keep_checkpoints, 3);
  EXPECT_EQ(e.eval.every.steps, train::Every::kNever);
  EXPECT_EQ(e.eval.metric, "mae");
  EXPECT_EQ(e.eval_choices.split, "test");
  EXPECT_EQ(e.eval_choices.keep, "last");
  EXPECT_EQ(e.eval.batch_tokens, 77);
  EXPECT_FALSE(e.eval_choices.test);
  EXPECT_EQ(e.eval_choices.mistakes, 3);
}

TEST_F(Experiments, TheResolvedExperimentReadsBackToItself) {
  for (const char* more :
       {"", "[train]\nsteps = 9\n", "[train]\nepochs = 0.5\ncheckpoint_every = 3\n[eval]\nevery = \"never\"\n"}) {
    const Experiment experiment = experiment_of(
        std::string(kSmallest) + "strategy.rank = 8\nstrategy.targets = \"query\"\ndata.path = \"data\"\n" + more);
    const std::string text = write_toml(resolved(experiment, data_settings(), {plugin_settings()}));
    const Experiment again = experiment_of(text);
    EXPECT_TRUE(again.problems.empty()) << again.problems[0];
    EXPECT_EQ(write_toml(resolved(again, data_settings(), {plugin_settings()})), text);
  }
}

TEST_F(Experiments, TheResolvedMaskedLmExperimentHasItsKeysAndNoOthers) {
  Experiment experiment = experiment_of(std::string(kSmallest) + "[task]\nkind = 'masked-lm'\nwhole_words = true\n");
  EXPECT_EQ(experiment.problems, std::vector<std::string>());
  EXPECT_TRUE(experiment.task.whole_words);
  EXPECT_EQ(experiment.task.mask_probability, 0.15);
  const std::string text = write_toml(resolved(experiment, data_settings(), {plugin_settings()}));
  EXPECT_NE(text.find("[task]\nkind = \"masked-lm\"\nwhole_words = true\nmask_probability = 0.15\ntrain_head = "
                      "\"auto\"\nnext_sentence = false\n\n"),
            std::string::npos)
      << text;
  const Experiment again = experiment_of(text);
  EXPECT_EQ(again.problems, std::vector<std::string>());
  EXPECT_TRUE(again.task.whole_words);
}

TEST_F(Experiments, MemoryIsInEitherKindOfUnit) {
  const auto memory = [](const std::string& size) {
    return experiment_of(std::string(kSmallest) + "[train]\nmemory = '" + size + "'\n").train.memory;
  };
  EXPECT_EQ(memory("4 GB"), 4'000'000'000);
  EXPECT_EQ(memory("900MB"), 900'000'000);
  EXPECT_EQ(memory("1.5 GiB"), 3 * 512 * 1024 * 1024LL);
  EXPECT_EQ(memory("2MiB"), 2 * 1024 * 1024);
}

TEST_F(Experiments, PretrainingWithNextSentencesHasAPooler) {
  const Experiment experiment = experiment_of(
      std::string(kSmallest) + "[task]\nkind = 'masked-lm'\nnext_sentence = true\ntrain_pooler = false\n");
  EXPECT_EQ(experiment.problems, std::vector<std::string>());
  const std::string text = write_toml(resolved(experiment, data_settings(), {plugin_settings()}));
  EXPECT_NE(text.find("next_sentence = true\ntrain_pooler = \"no\"\nmask_probability = 0.15\n"), std::string::npos)
      << text;
  EXPECT_TRUE(experiment_of(text).task.next_sentence);
}

TEST_F(Experiments, SeveralStrategiesStaySeveral) {
  const Experiment experiment =
      experiment_of("model.path = 'm'\ndata.plugin = 'd'\n[[strategy]]\nplugin = 'a'\n[[strategy]]\nplugin = 'b'\n");
  const ConfigNode tables = resolved(experiment, data_settings(), {plugin_settings(), plugin_settings()});
  const auto& list = std::get<ConfigNode::Array>(tables.find("strategy")->value);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(write_toml_value(list[1]), "{ plugin = \"b\", rank = 8, targets = [\"query\"] }");
}

const char* const kTaken =
    "model.path = 'm'\ndata.plugin = 'd'\n[[strategy]]\nfrom = 'runs/lang'\n[[strategy]]\nplugin = 'b'\n";

SourceRun::Method method(const std::string& name, int64_t rank) {
  ConfigNode settings{ConfigNode::Table{}};
  settings.set("rank", {rank});
  return {name, "1.0.0", settings};
}

TEST_F(Experiments, StrategiesOfARunStandInItsPlaceAndStayOneEntry) {
  Experiment experiment = experiment_of(kTaken);
  EXPECT_TRUE(experiment.problems.empty()) << experiment.problems[0];
  EXPECT_EQ(experiment.strategies[0].plugin, "");
  ASSERT_TRUE(take_strategies(experiment, 0, {method("x", 4), method("y", 5)}));
  ASSERT_EQ(experiment.strategies.size(), 3u);
  EXPECT_EQ(experiment.strategies[0].plugin, "x");
  EXPECT_EQ(experiment.strategies[1].plugin, "y");
  EXPECT_EQ(write_toml_value(experiment.strategies[1].settings), "{ rank = 5 }");
  EXPECT_EQ(experiment.strategies[1].subject, "runs/lang: strategy[1]");
  EXPECT_TRUE(experiment.strategies[1].freeze);
  EXPECT_EQ(experiment.strategies[2].plugin, "b");
  const ConfigNode tables = resolved(experiment, data_settings(), {{}, {}, plugin_settings()});
  EXPECT_EQ(write_toml_value(*tables.find("strategy")),
            "[{ from = \"runs/lang\", freeze = true }, { plugin = \"b\", rank = 8, targets = [\"query\"] }]");
}

TEST_F(Experiments, APluginBesideFromMustBeThatOfTheRun) {
  const auto told = [](const std::string& plugin, const std::vector<SourceRun::Method>& methods) {
    Experiment experiment = experiment_of(kTaken, {"strategy[0].plugin=" + plugin, "strategy[0].freeze=false"});
    EXPECT_FALSE(experiment.strategies[0].freeze);
    return take_strategies(experiment, 0, methods) ? "" : experiment.problems.back();
  };
  EXPECT_EQ(told("x", {method("x", 4)}), "");
  EXPECT_EQ(told("build/x.strategy.so", {method("x", 4)}), "");
  EXPECT_EQ(told("z", {method("x", 4)}),
            "strategy[0].plugin: must be left out or what runs/lang was tuned with, 'x', got \"z\" (--set)");
  EXPECT_EQ(told("x", {method("x", 4), method("y", 5)}),
            "strategy[0].plugin: must be left out or what runs/lang was tuned with, 'x' + 'y', got \"x\" (--set)");
}

TEST_F(Experiments, OverridesWinAndTheLastOneCounts) {
  const Experiment experiment = experiment_of(std::string(kSmallest) + "[train]\nepochs = 3\n",
                                              {"run.seed=1", "run.seed=2", "strategy.plugin=other", "train.steps=10"});
  EXPECT_TRUE(experiment.problems.empty());
  EXPECT_EQ(experiment.run.seed, 2);
  EXPECT_EQ(experiment.strategies[0].plugin, "other");
  EXPECT_EQ(experiment.train.steps, 10);  // on the command line, so the file's epochs step back
}

TEST_F(Experiments, ValuesKnowWhereTheyAreFrom) {
  const Experiment experiment = experiment_of(kSmallest, {"train.epochs=2"});
  EXPECT_EQ(origin_of(experiment, "model.path"), "experiment.toml:1");
  EXPECT_EQ(origin_of(experiment, "train.epochs"), "--set");
  EXPECT_EQ(origin_of(experiment, "train.batch_size"), "default");
}

TEST_F(Experiments, AStrategysKeysAreCheckedByItAndTheHostsStayOut) {
  const Experiment experiment =
      experiment_of(std::string(kSmallest) + "[strategy.inner]\nx = 1\n", {"strategy.rnak=4"});
  const ConfigView view = strategy_view(experiment, 0, {});
  view.integer("rank", 8);
  view.table("inner").integer("x", 0);
  EXPECT_EQ(error_of([&] { view.reject_unknown(); }),
            "strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'method': rank, inner (--set)");
}

TEST_F(Experiments, AMisspelledKeyOfTheHostsPartOfDataGetsItsHint) {
  const Experiment experiment = experiment_of(std::string(kSmallest) + "data.max_lenght = 64\ndata.path = 'p'\n");
  EXPECT_TRUE(experiment.problems.empty());  // it might have been the plugin's
  const ConfigView view = dataset_view(experiment);
  view.required_string("path");
  EXPECT_EQ(error_of([&] { view.reject_unknown(); }),
            "data.max_lenght: unknown key; did you mean 'max_length'? keys of [data]: plugin, max_length, train_limit, "
            "eval_limit, normalize, special_tokens_in_text, path (experiment.toml:4)");
  EXPECT_EQ(write_toml_value(view.resolved()), "{ path = \"p\" }");
}

}  // namespace
}  // namespace plugtune::experiment
