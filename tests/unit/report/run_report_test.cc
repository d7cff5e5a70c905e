// run_report_test.cc - report.json has the fields that were promised and reads back.
#include "report/run_report.h"

#include "experiment/json_fields.h"
#include "plugtune/error.h"
#include "support/temp_folder.h"
#include "unit/report/support.h"

namespace plugtune::report {
namespace {

TEST(RunReport, HasThePromisedFields) {
  const nlohmann::ordered_json json = to_json(sample_report());
  EXPECT_EQ(json.at("schema"), 1);
  for (const char* key : {"plugtune", "sdk", "torch", "device", "threads", "started", "seed", "experiment", "model",
                          "strategies", "trainable_parameters", "trainable_fraction", "head_parameters", "data",
                          "epochs", "best", "seconds", "tokens_per_second", "peak_memory_bytes", "delta_bytes"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["experiment"]["train"]["learning_rate"], 5e-4);
  EXPECT_EQ(json["strategies"][0]["trainable"], 4000);
  EXPECT_EQ(json["data"]["tokens_per_epoch"], 30000);
  EXPECT_EQ(json["epochs"][1]["eval"]["accuracy"], 0.7);
  EXPECT_EQ(json["epochs"][1]["eval"]["confusion"][1][1], 4);
  EXPECT_EQ(json["best"].dump(), "{\"epoch\":1.0,\"metric\":\"accuracy\",\"value\":0.75}");
  EXPECT_EQ(json["seconds"].dump(), "{\"startup\":1.0,\"train\":24.0,\"eval\":3.0,\"total\":30.5}");
  EXPECT_EQ(json["tokens_per_second"], 2500.0);
}

TEST(RunReport, ReadsBackWhatWasWritten) {
  const testing::TempFolder folder;
  RunReport report = sample_report();
  report.strategies[0].tables = {
      {"weights", {"layer 0", "layer 1"}, {"a", "b", "c"}, torch::arange(6, torch::kFloat64).view({2, 3})}};
  write_report(folder.path("report.json"), report);
  const RunReport again = read_report(folder.path("report.json"));
  EXPECT_EQ(to_json(again).dump(), to_json(report).dump());
  EXPECT_TRUE(torch::equal(again.strategies[0].tables[0].values, report.strategies[0].tables[0].values));
}

TEST(RunReport, ARunWithoutEvaluationHasNoBest) {
  RunReport report = sample_report();
  report.result.epochs.clear();
  report.result.best_index = -1;
  report.result.kept_best = false;
  report.test.reset();
  const auto json = to_json(report);
  EXPECT_TRUE(json["best"].is_null());
  EXPECT_FALSE(json.contains("test"));
  EXPECT_EQ(report.final_split(), "none");
  EXPECT_TRUE(report.final_metrics().values.empty());
  EXPECT_EQ(to_json(report_from_json(json, "x")).dump(), json.dump());
}

TEST(RunReport, WithoutATestSplitTheKeptDeltasEvaluationCounts) {
  RunReport report = sample_report();
  report.test.reset();
  EXPECT_EQ(report.final_split(), "validation");
  EXPECT_EQ(report.final_metrics().at("accuracy"), 0.75);
  report.result.kept_best = false;
  EXPECT_EQ(report.final_metrics().at("accuracy"), 0.7);
  report.result.steps = 110;  // ten steps after the last evaluation: nobody knows what that delta is worth
  EXPECT_EQ(report.final_split(), "none");
}

TEST(RunReport, DamageIsToldByField) {
  const auto damaged = [](auto&& change) -> std::string {
    nlohmann::ordered_json json = to_json(sample_report());
    change(json);
    try {
      report_from_json(json, "runs/a/report.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(
      damaged([](auto& json) { json["seconds"].erase("total"); }),
      "runs/a/report.json: 'seconds.total' must be a number, got nothing; the file is damaged or from another version");
  EXPECT_EQ(damaged([](auto& json) { json["strategies"][0]["name"] = 5; }),
            "runs/a/report.json: 'strategies[0].name' must be a string, got a number; the file is damaged or from "
            "another version");
  EXPECT_EQ(damaged([](auto& json) { json["schema"] = 9; }),
            "runs/a/report.json: was written by a newer plugtune (schema 9, this one reads 1); update plugtune");
  EXPECT_EQ(
      damaged([](auto& json) { json["peak_memory_bytes"] = UINT64_MAX; }),
      "runs/a/report.json: 'peak_memory_bytes' must be a whole number of at most 63 bits, got a number; the file is "
      "damaged or from another version");
  // Names for 40,000,000,000 numbers, and none of them.
  const std::vector<std::string> names(200'000, "x");
  EXPECT_EQ(
      damaged([&](auto& json) {
        json["strategies"][0]["tables"] = {{{"title", "t"}, {"rows", names}, {"columns", names}, {"values", {1, 2}}}};
      }),
      "runs/a/report.json: 'strategies[0].tables.values' must be an array of 200000 x 200000 numbers, got an array; "
      "the file is damaged or from another version");
  EXPECT_EQ(damaged([](auto& json) { json["epochs"][0].erase("step"); }),
            "runs/a/report.json: is no report of a run (a list or an evaluation in it is not what it should be); the "
            "file is damaged or from another version");
}

TEST(RunReport, TimestampsAreUtc) { EXPECT_EQ(timestamp().size(), std::string("2026-01-31T12:00:00Z").size()); }

}  // namespace
}  // namespace plugtune::report
