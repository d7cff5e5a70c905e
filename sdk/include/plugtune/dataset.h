#pragma once
// dataset.h - what to tune on: implemented by plugins, frozen for the life of an SDK major.

#include <cstdint>
#include <string>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/export.h"

namespace plugtune {
inline namespace v1 {

/// What is learned of an example.
enum class TaskKind : int32_t {
  kClassification = 1,  ///< one of `labels`
  kMultiLabel,          ///< any subset of `labels`
  kRegression,          ///< a number
  kText,                ///< no labels: for masked language models
};

/// A part of a data set.
enum class Split : int32_t { kTrain = 1, kValidation, kTest };

/// What a data set is for.
struct PLUGTUNE_API Task {
  TaskKind kind = TaskKind::kClassification;  ///< which fields of an Example count
  std::vector<std::string> labels;  ///< names, in the order of Example::label; the last of two is the positive one
  bool pairs = false;               ///< examples have a text_b
};

/// One text, or pair of texts, and what is to be learned of it.
struct PLUGTUNE_API Example {
  /// UTF-8.
  std::string text_a, text_b;  ///< UTF-8; empty without pairs
  int64_t label = 0;           ///< classification: index into Task::labels; multi-label: bit i = labels[i] (at most 63)
  double value = 0;            ///< regression
};

/// Labelled text. A dataset opens only the path that it was given; whatever is wrong with a file it says with path and line.
///
/// Reads and checks its files in the constructor, `explicit D(const ConfigView&)`, which ends with `config.reject_unknown()`.
class PLUGTUNE_API Dataset {
 public:
  virtual ~Dataset();
  /// What is to be learned: the same for all splits, and at every call.
  virtual Task task() const = 0;
  /// Examples of a split; 0 when there is no such split.
  virtual size_t size(Split split) const = 0;
  /// 0 <= index < size(split). Called from several threads at once.
  virtual Example at(Split split, size_t index) const = 0;
};

}  // namespace v1
}  // namespace plugtune
