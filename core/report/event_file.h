#pragma once
// event_file.h - TensorBoard's files: scalars by tag and step, in its TFRecord framing.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/append_file.h"

namespace plugtune::report {

/// CRC-32C (Castagnoli), as TFRecord has it before masking.
uint32_t crc32c(std::string_view bytes);

/// Length, masked CRC of the length, data, masked CRC of the data.
std::string tf_record(std::string_view data);

/// The records of a file up to the first that is cut off or damaged: a killed writer leaves one such, the last.
std::vector<std::string_view> tf_records(std::string_view file);

/// Numbers of one step by tag: {"train/loss", 0.41}.
using Scalars = std::vector<std::pair<std::string, double>>;

/// tensorboard.compat.proto.Event messages, serialised. @param wall_time  seconds since 1970
std::string version_event(double wall_time);                ///< "brain.Event:2", each file's first
std::string restart_event(double wall_time, int64_t step);  ///< forget what was read of `step` and later
std::string scalars_event(double wall_time, int64_t step, const Scalars& scalars);  ///< fp32, as TensorBoard keeps them
/// The step of a serialised event; 0 when it has none.
int64_t step_of(std::string_view event);

/// One run's events, on the disk as soon as they are added, so that a TensorBoard that is open follows.
class EventFile {
 public:
  /// Begins `events.out.tfevents.<seconds>.plugtune` in the run's directory.
  ///
  /// Of the files that are there already, events of later steps than `keep_through_step` go: a resumed run says them again. 0
  /// removes the files. The new file tells a TensorBoard that has read them to forget them. Throws Error.
  explicit EventFile(const std::filesystem::path& run, int64_t keep_through_step = 0);

  /// Throws Error when it cannot be written.
  void add(int64_t step, const Scalars& scalars);
  const std::filesystem::path& path() const noexcept { return file_.path(); }

 private:
  EventFile(const std::filesystem::path& path, const std::filesystem::path& run, int64_t keep_through_step);

  formats::AppendFile file_;
};

}  // namespace plugtune::report
