#pragma once
// run_text.h - a run in words: what was loaded and what trains, before; what came out, after.

#include <cstdint>
#include <string>
#include <vector>

#include "plugtune/dataset.h"
#include "plugtune/model.h"
#include "report/run_report.h"
#include "report/text_table.h"

namespace plugtune::report {

/// What a person wants to see before the machine is busy for an hour.
struct RunSetup {
  std::string experiment, run;  ///< paths

  std::string model;  ///< path
  std::string fingerprint;
  bool random_init = false;
  ModelInfo model_info;
  int64_t model_parameters = 0;  ///< bare, with the head

  struct Plugin {
    std::string name, version, file;
    int64_t trainable = 0;  ///< of a strategy
  };
  Plugin dataset;
  int64_t train_examples = 0, eval_examples = 0, tokens_per_epoch = 0;
  std::string eval_split;
  TaskKind task = TaskKind::kClassification;
  std::vector<std::string> labels;
  double mask_probability = 0.15;  ///< of masked LM
  bool whole_words = false;        ///< of masked LM
  bool next_sentence = false;      ///< of masked LM

  std::vector<Plugin> strategies;
  int64_t head_trainable = 0;
  int64_t total_parameters = 0;  ///< with what strategies added

  int64_t steps = 0, batch_size = 0, seed = 0;
  double epochs = 0;
  std::string precision = "fp32", device = "cpu";
  int threads = 1;

  std::vector<std::string> notes;  ///< one line each: empty rows left out, texts that were cut, a new pooler
};

/// Lines with a newline each.
std::string setup_text(const RunSetup& setup);

/// A row for each evaluation. There is one at least.
TextTable evaluations_table(const RunReport& report);

/// @param run  its directory
std::string summary_text(const RunReport& report, const std::string& run);

}  // namespace plugtune::report
