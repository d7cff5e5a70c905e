#pragma once
// settings.h - the table's keys, checked; which file is which split.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugtune/config.h"
#include "plugtune/dataset.h"

#include "cell.h"

namespace table {

enum class Format : int32_t { kCsv = 1, kTsv, kJsonLines };

struct Settings {
  std::string train, validation, test;  ///< paths of the files; "": no such split
  std::optional<Format> format;         ///< not set: by each file's name and first line
  std::optional<char> delimiter;        ///< not set: by each file's format and first line
  std::optional<char> quote;            ///< '\0': none; not set: by each file's format
  std::optional<bool> header;           ///< not set: found out
  std::string columns[kColumns];        ///< names or numbers, by Column; no second text, or no label: ""
  plugtune::TaskKind kind = plugtune::TaskKind::kClassification;
  std::vector<std::string> labels;  ///< empty: those of the training file, sorted
  std::string label_separator;
  double validation_share = 0, test_share = 0;
  int64_t split_seed = 0;

  bool is_labelled() const { return !columns[kLabel].empty(); }
};

/// The key of each column's setting, by Column.
inline constexpr const char* kColumnKeys[kColumns] = {"text", "text_pair", "label"};

/// Reads every key; ends with config.reject_unknown().
Settings read_settings(const plugtune::ConfigView& config);

}  // namespace table
