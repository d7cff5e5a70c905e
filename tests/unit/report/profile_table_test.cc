// profile_table_test.cc - spans grouped over layers, their floors, the table as it is printed and the trace as other programs read it.
#include "report/profile_table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/golden.h"

namespace plugtune::report {
namespace {

constexpr int64_t kMillisecond = 1000000;

/// Two steps of 10 ms.
train::Profile sample() {
  train::Profile profile;
  profile.steps = 2;
  profile.nanoseconds = 20 * kMillisecond;
  const model::SpanWork work{.calls = 2, .rows = 100, .gradient_rows = 100};
  profile.spans = {{train::kStepSpan, {}, 1 * kMillisecond, 0},
                   {"batch", {.calls = 2}, 1 * kMillisecond, 0},
                   {"encoder.layer.0.intermediate.dense", work, 2 * kMillisecond, 3 * kMillisecond},
                   {"encoder.layer.1.intermediate.dense", work, 3 * kMillisecond, 4 * kMillisecond},
                   {"encoder.layer.1", {}, 0, 2 * kMillisecond},
                   {train::kBackwardSpan, {}, 0, 4 * kMillisecond}};
  profile.events = {
      {2, false, "", 50, 1500, 2750}, {2, true, "Node<a \"b\">", -1, 3000, 4001}, {0, false, "", -1, 1000, 5000}};
  return profile;
}

// A product of 50 rows with (64, 32): 204,800 FLOP, which take 0.2048 ms. The bytes take less.
const MachineLimits kLimits{1e9, 1e9};

TEST(ProfileTable, LayersAreOneRowAndTheSlowestComesFirst) {
  const auto model = testing::tiny_model();
  EXPECT_EQ(profile_table(profile_rows(sample(), *model, kLimits, 4, /*each_layer=*/false)),
            "span                                forward ms  backward ms      ms  of the step  GFLOP  floor ms  of its "
            "floor\n"
            "encoder.layer.*.intermediate.dense       2.500        3.500   6.000       60.0 %  0.001     0.819         "
            " 14 %\n"
            "encoder.layer.*                          0.000        1.000   1.000       10.0 %      -         -         "
            "    -\n"
            "batch                                        -            -   0.500        5.0 %      -         -         "
            "    -\n"
            "backward                                 0.000        2.000   2.000       20.0 %      -         -         "
            "    -\n"
            "rest                                         -            -   0.500        5.0 %      -         -         "
            "    -\n"
            "a step                                   2.500        6.500  10.000      100.0 %  0.001     0.819         "
            "  8 %\n");
}

TEST(ProfileTable, EachLayerHasARowWhereThatIsAskedFor) {
  const auto rows = profile_rows(sample(), *testing::tiny_model(), kLimits, 4, /*each_layer=*/true);
  ASSERT_EQ(rows.size(), 6U);
  EXPECT_EQ(rows[0].span, "encoder.layer.1.intermediate.dense");
  EXPECT_DOUBLE_EQ(rows[0].forward_ms, 1.5);
  EXPECT_DOUBLE_EQ(rows[0].backward_ms, 2.0);
  EXPECT_DOUBLE_EQ(rows[0].share, 0.35);
  EXPECT_DOUBLE_EQ(rows[0].calls, 1);
  EXPECT_EQ(rows[1].span, "encoder.layer.0.intermediate.dense");
}

TEST(ProfileTable, AFloorIsTheLongerOfArithmeticAndMemory) {
  const auto floor = [&](const MachineLimits& limits) {
    return profile_rows(sample(), *testing::tiny_model(), limits, 4, /*each_layer=*/true)[0].floor_ms;
  };
  EXPECT_DOUBLE_EQ(floor({1e9, 1e15}), 2 * 0.2048);
  EXPECT_DOUBLE_EQ(floor({1e15, 1e9}), 2 * 4 * (50 * (32 + 64) + 32 * 64) / 1e6);
}

TEST(ProfileTable, NothingMeasuredIsNothingToTell) {
  const auto rows = profile_rows({}, *testing::tiny_model(), kLimits, 4, false);
  EXPECT_TRUE(rows.empty());
}

TEST(ChromeTrace, IsJsonOfCompleteEventsInMicroseconds) {
  const auto trace = nlohmann::json::parse(chrome_trace(sample()));
  const auto& events = trace.at("traceEvents");
  ASSERT_EQ(events.size(), 4U);  // the first names the process
  EXPECT_EQ(events[0], nlohmann::json::parse(
                           R"({"name": "process_name", "ph": "M", "pid": 1, "tid": 1, "args": {"name": "plugtune"}})"));
  EXPECT_EQ(events[1],
            nlohmann::json::parse(
                R"({"name": "encoder.layer.0.intermediate.dense", "cat": "forward", "ph": "X", "pid": 1, "tid": 1,
                               "ts": 1.5, "dur": 1.25, "args": {"rows": 50}})"));
  EXPECT_EQ(events[2],
            nlohmann::json::parse(
                R"({"name": "encoder.layer.0.intermediate.dense", "cat": "backward", "ph": "X", "pid": 1, "tid": 1,
                               "ts": 3.0, "dur": 1.001, "args": {"node": "Node<a \"b\">"}})"));
  EXPECT_EQ(events[3],
            nlohmann::json::parse(
                R"({"name": "step", "cat": "forward", "ph": "X", "pid": 1, "tid": 1, "ts": 1.0, "dur": 4.0})"));
}

}  // namespace
}  // namespace plugtune::report
