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
                                     "evaluate on; write every = \"never\" (experiment.toml)"});
  const Experiment never = settled("[eval]\nevery = 'never'\n", TaskKind::kClassification, {100, 0, 0});
  EXPECT_EQ(never.problems, std::vector<std::string>());
  EXPECT_EQ(never.eval_choices.split, "none");
  EXPECT_EQ(never.eval_choices.keep, "last");
}

TEST_F(Settle, TextWithoutLabelsIsNoTaskYet) {
  Experiment experiment = experiment_of(kSmallest);
  settle_task(experiment, {TaskKind::kText, {}, false});
  EXPECT_EQ(experiment.problems, std::vector<std::string>{"data.plugin: data set 'reviews' has text without labels, "
                                                          "and there is no task for that yet (experiment.toml:2)"});
}

}  // namespace
}  // namespace plugtune::experiment
