// run_text_test.cc - a run in words, before and after.
#include "report/run_text.h"

#include "unit/report/support.h"

namespace plugtune::report {
namespace {

TEST(RunText, BeforeTrainingSaysWhatWasLoadedAndWhatTrains) {
  RunSetup setup;
  setup.experiment = "experiment.toml";
  setup.run = "runs/a";
  setup.model = "models/m";
  setup.fingerprint = "abc";
  setup.model_info.layers = 4;
  setup.model_info.hidden_size = 256;
  setup.model_info.heads = 4;
  setup.model_info.vocabulary_size = 8'000;
  setup.model_parameters = 5'000'000;
  setup.dataset = {"reviews", "1.0.0", "lib/reviews.dataset.so", 0};
  setup.train_examples = 150'000;
  setup.eval_examples = 1'000;
  setup.tokens_per_epoch = 3'600'000;
  setup.eval_split = "validation";
  setup.labels = {"no", "yes"};
  setup.strategies = {{"method", "1.0.0", "lib/method.strategy.so", 24'000}};
  setup.head_trainable = 1'000;
  setup.total_parameters = 5'025'000;
  setup.steps = 18'752;
  setup.batch_size = 32;
  setup.epochs = 4;
  setup.seed = 42;
  setup.threads = 2;
  setup.notes = {"5 empty rows of ratings.txt were left out"};
  EXPECT_EQ(
      setup_text(setup),
      "experiment  experiment.toml -> runs/a\n"
      "model       models/m: 4 layers x 256, 4 heads, 8,000 words, 5,000,000 parameters, fingerprint abc\n"
      "data        reviews 1.0.0: 150,000 training examples, 3,600,000 tokens an epoch, 1,000 validation examples\n"
      "task        classification, 2 labels: no, yes\n"
      "training    18,752 steps of 32 sequences, 4 epochs; fp32 on cpu, 2 threads; seed 42\n"
      "note        5 empty rows of ratings.txt were left out\n"
      "\n"
      "trains        parameters   share  from\n"
      "method 1.0.0      24,000  0.48 %  lib/method.strategy.so\n"
      "head               1,000  0.02 %\n"
      "together          25,000  0.50 %  of 5,025,000 parameters\n"
      "\n");
}

TEST(RunText, AfterTrainingSaysHowGoodItBecameAndWhatItCost) {
  EXPECT_EQ(summary_text(sample_report(), "runs/a"),
            "\n"
            "evaluated on the validation split:\n"
            "epoch  train loss    loss  accuracy    time\n"
            "    1      0.6000  0.5000    0.7500  12.3 s  best\n"
            "    2      0.7250  0.6250    0.7000  12.3 s\n"
            "best: accuracy 0.7500 at epoch 1; the best delta is kept\n"
            "test: loss 0.5500, accuracy 0.7250\n"
            "100 steps in 30.5 s (start-up 1.0 s, training 24.0 s, evaluation 3.0 s), 2,500 tokens/s, 123.0 MB memory "
            "at the peak\n"
            "the run is in runs/a\n");
}

}  // namespace
}  // namespace plugtune::report
