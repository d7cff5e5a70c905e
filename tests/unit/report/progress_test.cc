// progress_test.cc - what a person sees while a run trains.
#include "report/progress.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/temp_folder.h"
#include "unit/report/support.h"

namespace plugtune::report {
namespace {

train::StepReport step() {
  train::StepReport report;
  report.step = 400;
  report.total_steps = 18'748;
  report.epoch = 0.0853;
  report.loss = 0.41234;
  report.accuracy = 0.8125;
  report.learning_rate = 5e-4;
  report.grad_norm = 1.5;
  report.tokens_per_second = 12'340.4;
  report.seconds_left = 133;
  return report;
}

TEST(Progress, ANarrowTerminalLosesWhatMattersLeast) {
  const std::string whole = "step 400/18,748  epoch 0.09  loss 0.4123  accuracy 0.8125  12,340 tokens/s  2:13 left";
  EXPECT_EQ(step_line(step(), 200), whole);
  EXPECT_EQ(step_line(step(), static_cast<int>(whole.size())), whole);
  EXPECT_EQ(step_line(step(), static_cast<int>(whole.size()) - 1),
            "step 400/18,748  epoch 0.09  loss 0.4123  accuracy 0.8125  2:13 left");
  EXPECT_EQ(step_line(step(), 60), "step 400/18,748  loss 0.4123  accuracy 0.8125  2:13 left");
  EXPECT_EQ(step_line(step(), 40), "step 400/18,748  loss 0.4123  2:13 left");
  EXPECT_EQ(step_line(step(), 10), "step 400/1");
  EXPECT_EQ(step_line(step(), 0), "");
}

TEST(Progress, ATaskWithoutAccuracyShowsNone) {
  train::StepReport report = step();
  report.accuracy = -1;
  EXPECT_EQ(step_line(report, 200), "step 400/18,748  epoch 0.09  loss 0.4123  12,340 tokens/s  2:13 left");
}

TEST(Progress, PlainOutputHasOneLinePerReport) {
  std::ostringstream out;
  {
    Progress progress(out, Terminal{});
    progress.on_step(step());
    progress.on_evaluation(evaluation(50, 1, 0.5, 0.75, true));
    progress.on_message("stopped early");
  }
  EXPECT_EQ(out.str(),
            "step 400/18,748  epoch 0.09  loss 0.4123  accuracy 0.8125  12,340 tokens/s  2:13 left\n"
            "epoch 1: train loss 0.6000, loss 0.5000, accuracy 0.7500 (12.3 s, evaluation 1.5 s), the best so far\n"
            "stopped early\n");
}

TEST(Progress, ATerminalShowsOneLineThatIsDrawnOver) {
  std::ostringstream out;
  int width = 41;
  {
    Progress progress(out, Terminal{true, [&] { return width; }});
    progress.on_step(step());
    width = 12;  // the window was made smaller
    progress.on_step(step());
    progress.on_message("done");
    progress.on_step(step());
  }
  const std::string clear = "\r\x1b[K";
  EXPECT_EQ(out.str(), clear + "step 400/18,748  loss 0.4123  2:13 left" + clear + "step 400/18" + clear + "done\n" +
                           clear + "step 400/18" + clear);
}

TEST(Progress, QuietIsSilent) {
  std::ostringstream out;
  {
    Progress progress(out, Terminal{true, [] { return 80; }}, /*quiet=*/true);
    progress.on_step(step());
    progress.on_evaluation(evaluation(50, 1, 0.5, 0.75, true));
    progress.on_message("line");
  }
  EXPECT_EQ(out.str(), "");
}

TEST(Progress, TheLogHasWhatWasShown) {
  const testing::TempFolder folder;
  std::ostringstream out;
  {
    experiment::RunLog log(folder.path("log.jsonl"));
    Progress progress(out, Terminal{});
    LoggedListener listener(log, progress);
    listener.on_step(step());
    listener.on_evaluation(evaluation(50, 1, 0.5, 0.75, false));
    listener.on_message("not in the log");
  }
  std::ifstream file(folder.path("log.jsonl"));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text,
            "{\"step\":400,\"epoch\":0.0853,\"loss\":0.41234,\"accuracy\":0.8125,\"learning_rate\":0.0005,\"grad_"
            "norm\":1.5,\"tokens_per_second\":12340.4}\n"
            "{\"epoch\":1.0,\"step\":50,\"seconds\":12.34,\"eval_seconds\":1.5,\"train_loss\":0.6,\"is_best\":false,"
            "\"eval\":{\"loss\":0.5,\"accuracy\":0.75,\"confusion\":[[3,1],[2,4]]}}\n");
  EXPECT_NE(out.str().find("not in the log\n"), std::string::npos);
}

}  // namespace
}  // namespace plugtune::report
