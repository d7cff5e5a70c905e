#pragma once
// run_report.h - report.json: what a run was, what it cost and how good it became.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/capability.h"
#include "plugtune/config.h"
#include "report/answers.h"
#include "report/mistakes.h"
#include "train/listener.h"

namespace plugtune::report {

/// "0.1.0": of this host.
std::string host_version();
/// "1.0": of the SDK it was built with.
std::string sdk_version();
/// "2.11.0": of libtorch.
std::string torch_version();

/// Everything in report.json. The quotients in it (tokens per second, best) are made from the rest.
struct RunReport {
  std::string plugtune = host_version(), sdk = sdk_version(), torch = torch_version();
  std::string device = "cpu";
  int threads = 1;
  std::string started;  ///< "2026-01-31T12:00:00Z"
  std::string name;     ///< the run's
  int64_t seed = 0;
  ConfigNode experiment{ConfigNode::Table{}};  ///< resolved

  struct Model {
    std::string path, fingerprint;
    int64_t parameters = 0;  ///< of the bare encoder with its head
  } model;

  struct Strategy {
    std::string name, version;
    int64_t trainable = 0;
    std::vector<ReportTable> tables;  ///< what a Reporter had to say
  };
  std::vector<Strategy> strategies;
  int64_t trainable_parameters = 0;  ///< all: the strategies' and the head's
  double trainable_fraction = 0;     ///< of all parameters, those that strategies added included
  int64_t head_parameters = 0;       ///< those of the head that train

  struct Data {
    std::string plugin;
    int64_t train_examples = 0, eval_examples = 0;
    int64_t tokens_per_epoch = 0;
    std::string eval_split;  ///< "validation", "test", "none"
    std::vector<std::string> labels;
  } data;

  std::string metric = "accuracy";  ///< that decided which evaluation is the best
  train::TrainResult result;

  /// The delta that was kept, on the test split; absent when there is none.
  struct Test {
    train::Metrics metrics;
    double seconds = 0;
    std::optional<Answers> answers{};  ///< example by example, for comparing runs; absent of masked LM
    std::vector<Mistake> mistakes{};   ///< the most confident ones
  };
  std::optional<Test> test;

  double startup_seconds = 0, total_seconds = 0;
  int64_t peak_memory_bytes = 0;
  int64_t delta_bytes = 0;  ///< of the file of the delta's tensors; 0: of a report from before it was told

  /// The evaluation of the delta that was kept, or nullptr.
  const train::EvalReport* kept() const;
  /// The best evaluation, or nullptr.
  const train::EvalReport* best() const;
  /// What the delta that was kept is worth: on the test split, else in training's own evaluation. Empty without either.
  train::Metrics final_metrics() const;
  /// "test", "validation" or "none": what final_metrics() is measured on.
  std::string final_split() const;
  double tokens_per_second() const;
};

nlohmann::ordered_json to_json(const RunReport& report);
/// @param file  what messages begin with. Throws Error naming the field that is missing or of another type.
RunReport report_from_json(const nlohmann::ordered_json& json, const std::string& file);

/// Atomically.
void write_report(const std::filesystem::path& file, const RunReport& report);
/// Throws Error: not found, not JSON, damaged, from a newer version.
RunReport read_report(const std::filesystem::path& file);

/// The time now as in `started`.
std::string timestamp();

}  // namespace plugtune::report
