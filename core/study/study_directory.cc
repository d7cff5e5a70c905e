// study_directory.cc - studies/<name>: whose it is, and who may write to it.
#include "study/study_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "experiment/json_fields.h"
#include "formats/atomic_file.h"
#include "formats/wording.h"

namespace plugtune::study {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kPatience = 10s;  // for a process that was killed to be gone

int lock_of(const fs::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  // Some file systems have no locks; a second writer there is the user's to avoid.
  if (descriptor >= 0 && ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor);
    return -1;
  }
  return descriptor;
}

}  // namespace

fs::path study_json(const Study& study) { return study.directory / "study.json"; }

void check_directory(const Study& study) {
  std::error_code error;
  const std::string name = study.directory.string();
  if (!fs::exists(study.directory, error)) return;
  if (fs::exists(study_json(study), error)) {
    const auto json = experiment::read_json_file(study_json(study));
    const std::string owner = experiment::JsonObject(json, study_json(study).string()).string("name");
    if (owner == study.name) return;
    throw Error(fmt::format("study.directory: {} holds study '{}', this one is '{}'; give it another study.directory",
                            name, owner, study.name));
  }
  // Without study.json there may be reports that were copied from another machine.
  if (fs::is_directory(study.directory, error) &&
      (fs::is_empty(study.directory, error) || fs::exists(study.directory / "runs", error) ||
       fs::exists(study.directory / "search", error)))
    return;
  throw Error(fmt::format(
      "study.directory: {} is there already and is no study (no study.json); give the study another study.directory",
      name));
}

StudyLock::StudyLock(const Study& study) {
  check_directory(study);
  std::error_code error;
  for (const char* name : {"runs", "search", "sources"}) {
    fs::create_directories(study.directory / name, error);
    if (error)
      throw Error(fmt::format("{}: cannot be made: {}", (study.directory / name).string(),
                              formats::system_reason(error.value())));
  }
  descriptor_ = lock_of(study.directory);
  if (descriptor_ < 0)
    throw Error(fmt::format(
        "{}: another plugtune is running this study right now; wait for it, or give this one another study.directory",
        study.directory.string()));
  if (!fs::exists(study_json(study), error)) {
    const nlohmann::ordered_json mark = {{"schema", 1}, {"name", study.name}};
    formats::write_file_atomically(study_json(study), mark.dump(2) + "\n");
  }
}

StudyLock::~StudyLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void wait_until_free(const fs::path& run) {
  std::error_code error;
  if (!fs::is_directory(run, error)) return;
  for (const auto end = std::chrono::steady_clock::now() + kPatience; std::chrono::steady_clock::now() < end;) {
    const int descriptor = lock_of(run);
    if (descriptor >= 0) {
      ::close(descriptor);
      return;
    }
    std::this_thread::sleep_for(20ms);
  }
}

}  // namespace plugtune::study
