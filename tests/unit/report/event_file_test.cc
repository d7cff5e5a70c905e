// event_file_test.cc - TensorBoard's files: the bytes that its own library writes, and no step twice after a resume.
#include "report/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "report/tensorboard.h"
#include "support/temp_folder.h"
#include "unit/report/support.h"

namespace plugtune::report {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

/// The steps in all event files of a run, file by file.
std::vector<std::vector<int64_t>> steps_in(const fs::path& run) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(run))
    files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<std::vector<int64_t>> all;
  for (const fs::path& path : files) {
    const std::string bytes = bytes_of(path);
    std::vector<int64_t>& steps = all.emplace_back();
    for (const std::string_view record : tf_records(bytes))
      steps.push_back(step_of(record));
  }
  return all;
}

TEST(EventFile, CrcIsCastagnolis) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(EventFile, HasTheBytesThatTensorBoardWrites) {
  const fs::path golden = fs::path(PLUGTUNE_SOURCE_DIR) / "tests/golden/events";
  const auto about = nlohmann::json::parse(bytes_of(golden / "case.json"));
  const double wall_time = about.at("wall_time");
  std::string file = tf_record(version_event(wall_time));
  for (const auto& step : about.at("steps")) {
    Scalars scalars;
    for (const auto& scalar : step.at("scalars"))
      scalars.emplace_back(scalar[0], scalar[1].is_string() ? INFINITY : scalar[1].get<double>());
    file += tf_record(scalars_event(wall_time, step.at("step"), scalars));
  }
  file += tf_record(restart_event(wall_time, about.at("restart_step")));
  const std::string expected = bytes_of(golden / "golden.tfevents");
  EXPECT_EQ(file, expected);

  const auto records = tf_records(expected);
  ASSERT_EQ(records.size(), about.at("steps").size() + 2);
  EXPECT_EQ(step_of(records[0]), 0);
  for (size_t i = 0; i < about.at("steps").size(); ++i)
    EXPECT_EQ(step_of(records[i + 1]), about.at("steps")[i].at("step").get<int64_t>());
}

TEST(EventFile, ReadsUpToTheFirstRecordThatIsCutOffOrDamaged) {
  const std::string whole = tf_record("one") + tf_record("two") + tf_record("three");
  for (size_t size = 0; size <= whole.size(); ++size) {
    const std::string part = whole.substr(0, size);
    const size_t expected = size >= whole.size() ? 3 : size >= 38 ? 2 : size >= 19 ? 1 : 0;
    EXPECT_EQ(tf_records(part).size(), expected) << size;
  }
  std::string damaged = whole;
  damaged[19 + 13] ^= 1;  // in "two"
  EXPECT_EQ(tf_records(damaged).size(), 1u);
  std::string vast(8, '\xFF');
  EXPECT_TRUE(tf_records(vast + std::string(40, '\0')).empty());
}

TEST(EventFile, StepsOfDamagedEventsAreReadWithinTheirBounds) {
  const std::string event = scalars_event(1.5, 300, {{"a", 1.0}});
  for (size_t size = 0; size < event.size(); ++size)
    step_of(std::string_view(event).substr(0, size));
  EXPECT_EQ(step_of("\x08"), 0);
  EXPECT_EQ(step_of(std::string("\x2A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 10)), 0);  // a length beyond the end
  EXPECT_EQ(step_of(event), 300);
}

TEST(EventFile, AResumedRunSaysNoStepTwice) {
  const testing::TempFolder folder;
  const fs::path run = folder.path();
  {
    EventFile events(run);
    for (const int64_t step : {5, 10, 15, 20})
      events.add(step, {{"train/loss", 0.5}});
  }
  EXPECT_EQ(steps_in(run), (std::vector<std::vector<int64_t>>{{0, 5, 10, 15, 20}}));
  {
    EventFile events(run, /*keep_through_step=*/10);
    // The first record of the new file is its version, the second tells a reader that has 15 and 20 to forget them.
    events.add(15, {{"train/loss", 0.25}});
  }
  EXPECT_EQ(steps_in(run), (std::vector<std::vector<int64_t>>{{0, 5, 10}, {0, 11, 15}}));
  EventFile events(run, /*keep_through_step=*/0);
  events.add(5, {{"train/loss", 1.0}});
  EXPECT_EQ(steps_in(run), (std::vector<std::vector<int64_t>>{{0, 1, 5}}));
}

TEST(EventFile, WhatAKilledWriterLeftIsCutAway) {
  const testing::TempFolder folder;
  const fs::path run = folder.path();
  fs::path first;
  {
    EventFile events(run);
    events.add(5, {{"train/loss", 0.5}});
    first = events.path();
  }
  std::ofstream(first, std::ios::app | std::ios::binary) << tf_record("broken").substr(0, 15);
  EventFile events(run, 100);
  EXPECT_GT(events.path().filename(), first.filename()) << "TensorBoard reads files by name";
  EXPECT_EQ(bytes_of(first).size(),
            tf_record(version_event(1)).size() + tf_record(scalars_event(1, 5, {{"train/loss", 0.5}})).size());
}

/// Keeps what it is told.
class Heard final : public train::Listener {
 public:
  void on_step(const train::StepReport&) override { ++steps; }
  void on_evaluation(const train::EvalReport&) override { ++evaluations; }
  void on_message(const std::string& line) override { lines.push_back(line); }
  int steps = 0, evaluations = 0;
  std::vector<std::string> lines;
};

TEST(TensorBoard, ListensAndHandsOn) {
  const testing::TempFolder folder;
  Heard heard;
  TensorBoardListener listener(folder.path(), 0, heard);
  train::StepReport step;
  step.step = 5;
  step.loss = 0.5;
  listener.on_step(step);
  listener.on_evaluation(evaluation(6, 1, 0.5, 0.75, true));
  listener.on_message("line");
  EXPECT_EQ(heard.steps, 1);
  EXPECT_EQ(heard.evaluations, 1);
  EXPECT_EQ(heard.lines, std::vector<std::string>{"line"});
  EXPECT_EQ(steps_in(folder.path()), (std::vector<std::vector<int64_t>>{{0, 5, 6}})) << "on the disk while it trains";
}

TEST(TensorBoard, TagsAreThoseOfTheLog) {
  train::StepReport step;
  step.loss = 0.5;
  const auto tags = [](const Scalars& scalars) {
    std::vector<std::string> names;
    for (const auto& [tag, value] : scalars)
      names.push_back(tag);
    return names;
  };
  EXPECT_EQ(tags(step_scalars(step)), (std::vector<std::string>{"train/loss", "train/learning_rate", "train/grad_norm",
                                                                "train/tokens_per_second"}));
  step.accuracy = 0;
  EXPECT_EQ(tags(step_scalars(step))[1], "train/accuracy");
  EXPECT_EQ(evaluation_scalars(evaluation(6, 1, 0.5, 0.75, true)),
            (Scalars{{"eval/loss", 0.5}, {"eval/accuracy", 0.75}}));
}

TEST(TensorBoard, EventsThatCannotBeWrittenAreToldOnceAndTheRunGoesOn) {
  const testing::TempFolder folder;
  Heard heard;
  TensorBoardListener listener(folder.path("absent"), 0, heard);
  ASSERT_EQ(heard.lines.size(), 1u);
  EXPECT_THAT(heard.lines[0], ::testing::HasSubstr("No such file or directory"));
  listener.on_step({});
  listener.on_step({});
  EXPECT_EQ(heard.steps, 2);
  EXPECT_EQ(heard.lines.size(), 1u);
}

}  // namespace
}  // namespace plugtune::report
