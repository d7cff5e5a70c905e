#pragma once
// run_log.h - log.jsonl: one JSON object per line, on the disk as soon as it is said.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "formats/append_file.h"

namespace plugtune::experiment {

/// Appends to a run's log. Each line goes out in one write: a killed process leaves at most one broken line, the last.
class RunLog {
 public:
  /// Opens or makes the file, keeping the lines of steps up to `keep_through_step`: a resumed run says the later ones
  /// again. 0 keeps nothing. Lines that are not JSON, or have no "step", go as well.
  explicit RunLog(const std::filesystem::path& path, int64_t keep_through_step = 0);

  /// Throws Error when it cannot be written.
  void append(const nlohmann::ordered_json& line);

 private:
  formats::AppendFile file_;
};

}  // namespace plugtune::experiment
