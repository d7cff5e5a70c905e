#pragma once
// support.h - a finished run's report with every field set.

#include <gtest/gtest.h>

#include <string>

#include "experiment/toml.h"
#include "report/run_report.h"

namespace plugtune::report {

inline train::EvalReport evaluation(int64_t step, double epoch, double loss, double accuracy, bool is_best) {
  train::EvalReport report;
  report.step = step;
  report.epoch = epoch;
  report.seconds = 12.34;
  report.eval_seconds = 1.5;
  report.train_loss = loss + 0.1;
  report.eval.values = {{"loss", loss}, {"accuracy", accuracy}};
  report.eval.confusion = {{3, 1}, {2, 4}};
  report.is_best = is_best;
  return report;
}

inline RunReport sample_report() {
  RunReport report;
  report.plugtune = "0.1.0";
  report.sdk = "1.0";
  report.torch = "2.11.0";
  report.threads = 2;
  report.started = "2026-01-31T12:00:00Z";
  report.name = "first";
  report.seed = 7;
  report.experiment = experiment::parse_toml("[run]\nseed = 7\n[train]\nlearning_rate = 5e-4\n", "x");
  report.model = {"models/m", "abc", 1'000'000};
  report.strategies = {{"method", "1.0.0", 4'000, {}}};
  report.trainable_parameters = 5'000;
  report.trainable_fraction = 0.005;
  report.head_parameters = 1'000;
  report.data = {"reviews", 1'600, 400, 30'000, "validation", {"no", "yes"}};
  report.result.epochs = {evaluation(50, 1, 0.5, 0.75, true), evaluation(100, 2, 0.625, 0.7, false)};
  report.result.best_index = 0;
  report.result.kept_best = true;
  report.result.steps = 100;
  report.result.tokens = 60'000;
  report.result.train_seconds = 24.0;
  report.result.eval_seconds = 3.0;
  report.test = RunReport::Test{{{{"loss", 0.55}, {"accuracy", 0.725}}, {{1, 0}, {0, 1}}}, 2.0};
  report.startup_seconds = 1.0;
  report.total_seconds = 30.5;
  report.peak_memory_bytes = 123'000'000;
  report.delta_bytes = 17'000;
  return report;
}

}  // namespace plugtune::report
