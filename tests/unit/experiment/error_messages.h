#pragma once
// error_messages.h - what people get wrong in an experiment, and what they are told. docs/experiment-files.md shows
// some of these; error_messages_test.cc sees to it that each is said, letter by letter.

#include <string>
#include <vector>

#include "unit/experiment/support.h"

namespace plugtune::experiment {

/// An experiment that is wrong, what its data set is like, and the problems that are told.
struct Mistake {
  std::string text;  ///< experiment.toml
  std::vector<std::string> overrides;
  std::vector<std::string> problems;
};

inline const std::string kTrainKeys =
    "keys of [train]: epochs, steps, batch_size, micro_batch_tokens, memory, recompute, group_by_length, cache_frozen, "
    "learning_rate, "
    "schedule, "
    "warmup_ratio, "
    "warmup_steps, weight_decay, beta1, beta2, epsilon, max_grad_norm, precision, device, log_every, checkpoint_every, "
    "keep_checkpoints";

/// `table` after the least that an experiment has to say, which fills lines 1 to 3.
inline std::string with(const std::string& table) { return kSmallest + table; }

inline std::vector<Mistake> mistakes() {
  return {
      // Unknown names.
      {with("[train]\nlerning_rate = 1e-3\n"),
       {},
       {"train.lerning_rate: unknown key; did you mean 'learning_rate'? " + kTrainKeys + " (experiment.toml:5)"}},
      {with("[run]\ncolour = 1\n"),
       {},
       {"run.colour: unknown key; keys of [run]: name, seed, from, threads (experiment.toml:5)"}},
      {with("[trian]\nepochs = 2\n"),
       {},
       {"trian: unknown table; did you mean 'train'? tables of an experiment: run, model, data, task, strategy, train, "
        "eval (experiment.toml:4)"}},
      {with("[logging]\nevery = 2\n"),
       {},
       {"logging: unknown table; tables of an experiment: run, model, data, task, strategy, train, eval "
        "(experiment.toml:4)"}},
      {with("[train]\nschedule = \"cosin\"\n"),
       {},
       {"train.schedule: must be one of linear, cosine, constant, got \"cosin\"; did you mean 'cosine'? "
        "(experiment.toml:5)"}},
      {with("[train]\nmemory = \"lots\"\n"),
       {},
       {"train.memory: must be a size such as \"4 GB\" or \"900 MB\", got \"lots\" (experiment.toml:5)"}},
      {with("[train]\nmemory = \"4 GB\"\nmicro_batch_tokens = 64\n"),
       {},
       {"train.memory: is given together with micro_batch_tokens; keep one of the two (experiment.toml:5)"}},
      // Wrong types.
      {with("[train]\nbatch_size = \"32\"\n"),
       {},
       {"train.batch_size: must be a whole number, got \"32\" (experiment.toml:5)"}},
      {with("[train]\nbatch_size = 1.5\n"),
       {},
       {"train.batch_size: must be a whole number, got 1.5 (experiment.toml:5)"}},
      {with("[train]\nlearning_rate = true\n"),
       {},
       {"train.learning_rate: must be a number, got true (experiment.toml:5)"}},
      {with("[run]\nname = 5\n"),
       {},
       {"run.name: must be a string, got 5; with quotes it is one: \"5\" (experiment.toml:5)"}},
      {with("[train]\ngroup_by_length = 1\n"),
       {},
       {"train.group_by_length: must be true or false, got 1 (experiment.toml:5)"}},
      {"train = 5\n" + with(""), {}, {"train: must be a table, [train], got 5 (experiment.toml:1)"}},
      {"strategy = 5\nmodel.path = \"m\"\ndata.plugin = \"reviews\"\n",
       {},
       {"strategy: must be a table, [strategy], or a list of them, [[strategy]], got 5 (experiment.toml:1)"}},
      {with("[eval]\nevery = \"hour\"\n"),
       {},
       {"eval.every: must be \"epoch\", \"never\" or a number of steps, got \"hour\" (experiment.toml:5)"}},
      {with("[train]\ncheckpoint_every = 1.5\n"),
       {},
       {"train.checkpoint_every: must be \"epoch\", \"never\" or a number of steps, got 1.5 (experiment.toml:5)"}},
      // Wrong ranges.
      {with("[train]\nbatch_size = 0\n"),
       {},
       {"train.batch_size: must be between 1 and 1000000, got 0 (experiment.toml:5)"}},
      {with("[train]\nepochs = 0\n"), {}, {"train.epochs: must be more than 0, got 0 (experiment.toml:5)"}},
      {with("[train]\nepochs = nan\n"), {}, {"train.epochs: must be at least 0, got nan (experiment.toml:5)"}},
      {with("[train]\nlearning_rate = -1e-3\n"),
       {},
       {"train.learning_rate: must be at least 0, got -0.001 (experiment.toml:5)"}},
      {with("[train]\nwarmup_ratio = 10\n"),
       {},
       {"train.warmup_ratio: must be between 0 and 1, got 10 (experiment.toml:5)"}},
      {with("[train]\nbeta2 = 1\n"), {}, {"train.beta2: must be less than 1, got 1 (experiment.toml:5)"}},
      {with("[train]\ncheckpoint_every = 0\n"),
       {},
       {"train.checkpoint_every: must be at least 1, got 0 (experiment.toml:5)"}},
      {with("[task]\nmask_probability = 1\nwhole_words = 1\n"),
       {},
       {"task.mask_probability: must be less than 1, got 1 (experiment.toml:5)",
        "task.whole_words: must be true or false, got 1 (experiment.toml:6)"}},
      {with("[task]\nmask_probability = 0\ntrain_head = \"both\"\n"),
       {},
       {"task.mask_probability: must be more than 0, got 0 (experiment.toml:5)",
        "task.train_head: must be one of auto, yes, no, got \"both\" (experiment.toml:6)"}},
      {with("[task]\nkind = \"masked-lm\"\nnext_sentence = \"yes\"\n"),
       {},
       {"task.next_sentence: must be true or false, got \"yes\" (experiment.toml:6)"}},
      {with("[task]\nwhole_word = true\n"),
       {},
       {"task.whole_word: unknown key; did you mean 'whole_words'? keys of [task]: kind, train_pooler, "
        "mask_probability, whole_words, next_sentence, train_head (experiment.toml:5)"}},
      {with("[run]\nseed = -1\n"), {}, {"run.seed: must be at least 0, got -1 (experiment.toml:5)"}},
      {with("data.max_length = 2\n"),
       {},
       {"data.max_length: must be between 3 and 1000000, got 2 (experiment.toml:4)"}},
      {with("[run]\nname = \"a/b\"\n"),
       {},
       {"run.name: must be the name of a directory, without '/' and not beginning with '.' or '-', got \"a/b\" "
        "(experiment.toml:5)"}},
      // What is not there.
      {"[model]\n[data]\n[strategy]\nrank = 8\n",
       {},
       {"model.path: is required (experiment.toml:1)", "data.plugin: is required (experiment.toml:2)",
        "strategy.plugin: is required (experiment.toml:3)"}},
      {"",
       {},
       {"model.path: is required (experiment.toml)", "data.plugin: is required (experiment.toml)",
        "strategy.plugin: is required (experiment.toml)"}},
      {"model.path = \"\"\ndata.plugin = \"reviews\"\nstrategy.plugin = \"method\"\n",
       {},
       {"model.path: must not be empty (experiment.toml:1)"}},
      {"model.path = \"m\"\nmodel.dropout = 2\ndata.plugin = \"reviews\"\nstrategy.plugin = \"method\"\n",
       {},
       {"model.dropout: must be between 0 and 1, got 2 (experiment.toml:2)"}},
      // A strategy of a finished run.
      {"model.path = \"m\"\ndata.plugin = \"reviews\"\n[[strategy]]\nfrom = \"runs/lang\"\nfreeze = \"no\"\nrank = 8\n"
       "[[strategy]]\nfrom = \"\"\n",
       {},
       {"strategy[0].freeze: must be true or false, got \"no\" (experiment.toml:5)",
        "strategy[0].rank: is a setting of the run that 'from' names and cannot be set anew; keys beside from: plugin, "
        "freeze (experiment.toml:6)",
        "strategy[1].from: must not be empty (experiment.toml:8)"}},
      // What does not go together.
      {with("[train]\nepochs = 4\nsteps = 100\n"),
       {},
       {"train.steps: is given together with epochs; keep one of the two (experiment.toml:6)"}},
      {with("[eval]\nevery = \"never\"\nkeep = \"best\"\npatience = 2\n"),
       {},
       {"eval.keep: \"best\" needs evaluations to choose from, but every = \"never\" (experiment.toml:6)",
        "eval.patience: needs evaluations to wait for, but every = \"never\" (experiment.toml:7)"}},
      {with("[train]\ndevice = \"cuda\"\n"),
       {},
       {"train.device: this plugtune computes on the processor only, it was built without CUDA; expected \"auto\" or "
        "\"cpu\", got \"cuda\" (experiment.toml:5)"}},
      {with("[train]\ndevice = \"gpu\"\n"),
       {},
       {"train.device: must be one of auto, cpu, cuda, cuda:<number>, got \"gpu\"; did you mean 'cpu'? "
        "(experiment.toml:5)"}},
      // From the command line.
      {with(""), {"train.batch_size=0"}, {"train.batch_size: must be between 1 and 1000000, got 0 (--set)"}},
      {with(""),
       {"train.bacth_size=8"},
       {"train.bacth_size: unknown key; did you mean 'batch_size'? " + kTrainKeys + " (--set)"}},
      {with(""), {"train.epochs"}, {"--set train.epochs: must be key=value, such as --set train.epochs=2"}},
      {with(""),
       {"rank=16"},
       {"rank: unknown table; tables of an experiment: run, model, data, task, strategy, train, eval (--set)"}},
      {with(""), {"epochs=3"}, {"epochs: belongs into a table; did you mean 'train.epochs'? (--set)"}},
      {with(""), {"steps=3"}, {"steps: belongs into a table; did you mean 'train.steps'? (--set)"}},
      {"seed = 3\n" + with(""), {}, {"seed: belongs into a table; did you mean 'run.seed'? (experiment.toml:1)"}},
      {"model.path = \"m\"\ndata.plugin = \"reviews\"\n[[strategy]]\nplugin = \"a\"\n[[strategy]]\nplugin = \"b\"\n",
       {"strategy.rank=16"},
       {"--set strategy.rank=16: 'strategy' is a list of 2; write strategy[0].rank or strategy[1].rank"}},
      {"model.path = \"m\"\ndata.plugin = \"reviews\"\n[[strategy]]\nplugin = \"a\"\n[[strategy]]\nrank = 8\n",
       {},
       {"strategy[1].plugin: is required (experiment.toml:5)"}},
      // Several at once.
      {"[model]\npath = 5\n[data]\nplugin = \"reviews\"\nmax_length = 1\n[strategy]\nplugin = "
       "\"method\"\n[train]\nbacth_size = 32\nlearning_rate = \"high\"\n[eval]\nmetric = 1\n[extra]\n",
       {},
       {"model.path: must be a string, got 5; with quotes it is one: \"5\" (experiment.toml:2)",
        "data.max_length: must be between 3 and 1000000, got 1 (experiment.toml:5)",
        "train.learning_rate: must be a number, got \"high\" (experiment.toml:10)",
        "train.bacth_size: unknown key; did you mean 'batch_size'? " + kTrainKeys + " (experiment.toml:9)",
        "eval.metric: must be a string, got 1; with quotes it is one: \"1\" (experiment.toml:12)",
        "extra: unknown table; tables of an experiment: run, model, data, task, strategy, train, eval "
        "(experiment.toml:13)"}},
  };
}

/// What only the opened data set can tell: it has 1,000 training and 200 test examples of a classification, no
/// validation.
inline std::vector<Mistake> mistakes_with_data() {
  return {
      {with("data.train_limit = 200000\n"),
       {},
       {"data.train_limit: must be between 1 and 1,000 (all examples), got 200,000 (experiment.toml:4)"}},
      {with("[task]\nkind = \"regression\"\n"),
       {},
       {"task.kind: must be \"classification\", the task of data set 'reviews', got \"regression\" "
        "(experiment.toml:5)"}},
      {with("[task]\nmask_probability = 0.2\n"),
       {"task.whole_words=true"},
       {"task.mask_probability: is a setting of masked-lm tasks alone, and this one is classification "
        "(experiment.toml:5)",
        "task.whole_words: is a setting of masked-lm tasks alone, and this one is classification (--set)"}},
      {with("[eval]\nsplit = \"validation\"\n"),
       {},
       {"eval.split: data set 'reviews' has no validation examples; it has: test (experiment.toml:5)"}},
      {with("[eval]\nmetric = \"acuracy\"\n"),
       {},
       {"eval.metric: a classification task has no metric 'acuracy'; did you mean 'accuracy'? metrics: loss, accuracy, "
        "f1 (experiment.toml:5)"}},
      {with("[eval]\nmetric = \"pearson\"\n"),
       {"data.train_limit=1001"},
       {"data.train_limit: must be between 1 and 1,000 (all examples), got 1,001 (--set)",
        "eval.metric: a classification task has no metric 'pearson'; metrics: loss, accuracy, f1 (experiment.toml:5)"}},
  };
}

/// Everything that the experiment of a mistake is told to be wrong.
inline std::vector<std::string> problems_of(const Mistake& mistake, bool with_data) {
  Experiment experiment = experiment_of(mistake.text, mistake.overrides);
  if (with_data) {
    const Task task{TaskKind::kClassification, {"no", "yes"}, false};
    settle_task(experiment, task);
    settle_evaluation(experiment, task, {1000, 0, 200}, {"loss", "accuracy", "f1"});
  }
  return experiment.problems;
}

}  // namespace plugtune::experiment
