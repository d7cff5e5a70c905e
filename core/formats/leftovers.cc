// leftovers.cc - temporaries of writes that never finished: how they are named, told apart from live ones and removed.
#include "formats/leftovers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <regex>
#include <vector>

namespace plugtune::formats {

namespace fs = std::filesystem;

namespace {

struct Temporary {
  fs::path path;
  std::string target;  // the name that it was to get, or had
  bool is_old;
  long process;
};

std::optional<Temporary> as_temporary(const fs::path& path) {
  static const std::regex form(R"(\.(.+)\.(tmp|old)-(\d{1,9})(\.\d+)?)");
  const std::string name = path.filename().string();
  std::smatch part;
  if (!std::regex_match(name, part, form)) return std::nullopt;
  return Temporary{path, part[1], part[2] == "old", std::stol(part[3])};
}

/// Nobody is writing it: no process has the lock, and the one that made it is gone. Both are asked, because a live process
/// has no lock yet in its first microseconds, and a dead one's number may be that of a living one in another container.
/// Our own number without a lock is that of a former life (containers start again with the same numbers).
bool is_abandoned(const Temporary& temporary) {
  const int fd = ::open(temporary.path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  const bool unlocked = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  ::close(fd);
  const bool dead = ::kill(static_cast<pid_t>(temporary.process), 0) != 0 && errno == ESRCH;
  return unlocked && (dead || temporary.process == ::getpid());
}

int remove_leftovers(const fs::path& directory, const std::string* only_target) {
  std::vector<Temporary> abandoned;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const auto temporary = as_temporary(entry.path());
    if (!temporary || (only_target != nullptr && temporary->target != *only_target)) continue;
    if (is_abandoned(*temporary)) abandoned.push_back(*temporary);
  }
  int removed = 0;
  for (const Temporary& temporary : abandoned) {
    std::error_code failure;
    const fs::path target = directory / temporary.target;
    if (temporary.is_old && !fs::exists(fs::symlink_status(target, failure))) {
      fs::rename(temporary.path, target, failure);
    } else {
      fs::remove_all(temporary.path, failure);
      removed += failure ? 0 : 1;
    }
  }
  return removed;
}

fs::path directory_of(const fs::path& target) {
  return target.has_parent_path() ? target.parent_path() : fs::path(".");
}

}  // namespace

fs::path temporary_beside(const fs::path& target, std::string_view kind) {
  const std::string name = fmt::format(".{}.{}-{}", target.filename().string(), kind, ::getpid());
  fs::path path = target.parent_path() / name;
  std::error_code ignored;
  for (int again = 1; fs::exists(fs::symlink_status(path, ignored)); ++again) {
    path = target.parent_path() / fmt::format("{}.{}", name, again);
  }
  return path;
}

void remove_leftovers_of(const fs::path& target) noexcept {
  try {
    const std::string name = target.filename().string();
    remove_leftovers(directory_of(target), &name);
  } catch (const std::exception&) {
    // What cannot be read or removed is in nobody's way; the write that follows tells the reason if it matters.
  }
}

int remove_leftovers_in(const fs::path& directory) noexcept {
  try {
    return remove_leftovers(directory, nullptr);
  } catch (const std::exception&) {
    return 0;  // as above
  }
}

}  // namespace plugtune::formats
