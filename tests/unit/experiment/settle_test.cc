// settle_test.cc - what "auto" comes to.
#include "experiment/settle.h"

#include "unit/experiment/support.h"

namespace plugtune::experiment {
namespace {

class Settle : public InFolder {
 protected:
  static Experiment settled(const std::string& more, TaskKind kind, const SplitSizes& sizes) {
    Experiment experiment = experiment_of(kSmallest + more);
    const Task task{kind, {"no", "yes"}, false};
    settle_task(experiment, task);
    settle_evaluation(experiment, task, sizes,
                      kind == TaskKind::kRegression ? std::vector<std::string>{"loss", "spearman"}
                                                    : std::vector<std::string>{"loss", "accuracy"});
    return experiment;
  }
};

TEST_F(Settle, OnValidationExamplesTheBestIsKept) {
  const Experiment experiment = settled("", TaskKind::kClassification, {100, 10, 10});
  EXPECT_EQ(experiment.problems, std::vector<std::string>());
  EXPECT_EQ(experiment.eval_choices.split, "validation");
  EXPECT_EQ(experiment.eval_choices.keep, "best");
  EXPECT_TRUE(experiment.eval.keep_best);
  EXPECT_EQ(experiment.eval.metric, "accuracy");
  EXPECT_EQ(experiment.task.kind, "classification");
}

TEST_F(Settle, OnTestExamplesTheLastIsKeptUnlessAskedFor) {
  const Experiment experiment = settled("", TaskKind::kRegression, {100, 0, 10});
  EXPECT_EQ(experiment.eval_choices.split, "test");
  EXPECT_EQ(experiment.eval_choices.keep, "last");
  EXPECT_EQ(experiment.eval.metric, "spearman");
  EXPECT_TRUE(settled("[eval]\nkeep = 'best'\n", TaskKind::kClassification, {100, 0, 10}).eval.keep_best);
}

TEST_F(Settle, WithoutEitherThereIsNothingToEvaluateOn) {
  const Experiment experiment = settled("", TaskKind::kClassification, {100, 0, 0});
  EXPECT_EQ(experiment.problems,
            std::vector<std::string>{"eval.every: data set 'reviews' has neither validation nor test examples to "
                                     "evaluate on; give it some, or write every = \"never\" (experiment.toml)"});
  const Experiment never = settled("[eval]\nevery = 'never'\n", TaskKind::kClassification, {100, 0, 0});
  EXPECT_EQ(never.problems, std::vector<std::string>());
  EXPECT_EQ(never.eval_choices.split, "none");
  EXPECT_EQ(never.eval_choices.keep, "last");
}

TEST_F(Settle, TextWithoutLabelsIsForMaskedLm) {
  Experiment experiment = experiment_of(kSmallest);
  const Task task = settle_task(experiment, {TaskKind::kText, {}, false});
  EXPECT_EQ(experiment.problems, std::vector<std::string>());
  EXPECT_EQ(experiment.task.kind, "masked-lm");
  settle_evaluation(experiment, task, {100, 10, 10}, {"loss", "accuracy", "perplexity"});
  EXPECT_EQ(experiment.eval.metric, "loss");
}

TEST_F(Settle, MaskedLmReadsTheTextsOfAnyDataSet) {
  Experiment experiment = experiment_of(kSmallest + std::string("[task]\nkind = 'masked-lm'\n"));
  const Task task = settle_task(experiment, {TaskKind::kClassification, {"no", "yes"}, /*pairs=*/true});
  EXPECT_EQ(experiment.problems, std::vector<std::string>());
  EXPECT_EQ(task.kind, TaskKind::kText);
  EXPECT_TRUE(task.labels.empty());
  EXPECT_TRUE(task.pairs);
}

TEST_F(Settle, TextWithoutLabelsIsForNothingElse) {
  Experiment experiment = experiment_of(kSmallest + std::string("[task]\nkind = 'classification'\n"));
  settle_task(experiment, {TaskKind::kText, {}, false});
  EXPECT_EQ(experiment.problems, std::vector<std::string>{"task.kind: must be \"masked-lm\", the task of data set "
                                                          "'reviews', got \"classification\" (experiment.toml:5)"});
}

TEST_F(Settle, MaskedLmHasNoPooler) {
  Experiment experiment = experiment_of(kSmallest + std::string("[task]\nkind = 'masked-lm'\ntrain_pooler = 'no'\n"));
  settle_task(experiment, {TaskKind::kText, {}, false});
  EXPECT_EQ(experiment.problems, std::vector<std::string>{"task.train_pooler: a masked-lm task has no pooler; leave it "
                                                          "out (experiment.toml:6)"});
}

TEST_F(Settle, NextSentencesNeedAPoolerAndTextsWithoutPairs) {
  const std::string task = "[task]\nkind = 'masked-lm'\ntrain_pooler = 'no'\nnext_sentence = true\n";
  Experiment experiment = experiment_of(kSmallest + task);
  settle_task(experiment, {TaskKind::kText, {}, false});
  EXPECT_EQ(experiment.problems, std::vector<std::string>());
  settle_task(experiment, {TaskKind::kClassification, {"a", "b"}, /*pairs=*/true});
  EXPECT_EQ(experiment.problems, std::vector<std::string>{"task.next_sentence: makes pairs of documents, and data set "
                                                          "'reviews' has pairs already (experiment.toml:7)"});
  Experiment other = experiment_of(kSmallest + std::string("[task]\nnext_sentence = true\n"));
  settle_task(other, {TaskKind::kClassification, {"a", "b"}, false});
  EXPECT_EQ(other.problems, std::vector<std::string>{"task.next_sentence: is a setting of masked-lm tasks alone, and "
                                                     "this one is classification (experiment.toml:5)"});
}

}  // namespace
}  // namespace plugtune::experiment
