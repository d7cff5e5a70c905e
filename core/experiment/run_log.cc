// run_log.cc - log.jsonl: one JSON object per line, on the disk as soon as it is said.
#include "experiment/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "formats/atomic_file.h"
#include "formats/output_file.h"

namespace plugtune::experiment {

namespace {

std::string lines_through(const std::filesystem::path& path, int64_t last_step) {
  std::string kept;
  std::ifstream file(path);
  for (std::string line; last_step > 0 && std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto step = json.is_object() ? json.find("step") : json.end();
    if (!json.is_object() || step == json.end() || !step->is_number_integer()) continue;
    if (step->get<int64_t>() <= last_step) kept += line + "\n";
  }
  return kept;
}

[[noreturn]] void fail(const std::filesystem::path& path, int error_number, uint64_t needed_bytes,
                       const char* consequence) {
  formats::OutputFile::Wording wording;
  wording.subject = path.string();
  wording.consequence = consequence;
  formats::throw_write_error(wording, error_number, needed_bytes);
}

}  // namespace

RunLog::RunLog(std::filesystem::path path, int64_t keep_through_step) : path_(std::move(path)) {
  formats::write_file_atomically(path_, lines_through(path_, keep_through_step));
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd_ < 0) fail(path_, errno, 0, "training did not begin");
}

RunLog::~RunLog() {
  if (fd_ >= 0) ::close(fd_);
}

void RunLog::append(const nlohmann::ordered_json& line) {
  const std::string text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  const char* rest = text.data();
  for (size_t left = text.size(); left > 0;) {
    const ssize_t written = ::write(fd_, rest, left);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_, errno, left, "the checkpoints written so far are whole, go on with --resume");
    rest += written, left -= static_cast<size_t>(written);
  }
}

}  // namespace plugtune::experiment
