// child.cc - a training as a process of its own.
#include "study/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "formats/strict_json.h"
#include "formats/wording.h"
#include "plugtune/error.h"

namespace plugtune::study {
namespace {

/// The environment with OMP_NUM_THREADS, and the pointers that execve() wants.
std::vector<std::string> environment_with(int threads) {
  const std::string key = "OMP_NUM_THREADS=";
  std::vector<std::string> environment = {key + std::to_string(threads)};
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with(key)) environment.emplace_back(*entry);
  return environment;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts)
    pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

int open_or_throw(const std::filesystem::path& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (descriptor < 0)
    throw Error(fmt::format("{}: cannot be opened: {}", path.string(), formats::system_reason(errno)));
  return descriptor;
}

/// Between fork and exec only what is safe there.
[[noreturn]] void become(const std::vector<char*>& arguments, const std::vector<char*>& environment, int out,
                         int errors, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before it was asked to tell
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  ::execve(arguments[0], arguments.data(), environment.data());
  ::_exit(127);
}

pid_t start(std::vector<std::string> command, int threads, int out, int errors) {
  std::vector<std::string> environment = environment_with(threads);
  const std::vector<char*> arguments = pointers_to(command), variables = pointers_to(environment);
  const pid_t parent = ::getpid(), pid = ::fork();
  const int reason = errno;
  if (pid == 0) become(arguments, variables, out, errors, parent);
  ::close(out);
  ::close(errors);
  if (pid < 0) throw Error(fmt::format("{}: cannot be started: {}", command.front(), formats::system_reason(reason)));
  return pid;
}

}  // namespace

Child::Child(const std::vector<std::string>& command, int threads, const std::filesystem::path& errors) {
  const int err = open_or_throw(errors, O_WRONLY | O_CREAT | O_TRUNC);
  pid_ = start(command, threads, open_or_throw("/dev/null", O_WRONLY), err);
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  return *this;
}

Child::~Child() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> Child::poll() {
  int status = 0;
  if (pid_ < 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  return status;
}

void Child::interrupt() const {
  if (pid_ >= 0) ::kill(pid_, SIGTERM);
}

std::string failure_of(int status, const std::string& errors) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
    return "was killed (signal 9); the system may have had no memory left: run fewer jobs, or set train.memory";
  if (WIFSIGNALED(status))
    return fmt::format("ended by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  std::string text = errors;
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text.empty() ? fmt::format("ended with exit code {}", WEXITSTATUS(status)) : text;
}

std::string output_of(const std::vector<std::string>& command, int threads, const std::filesystem::path& scratch) {
  const std::filesystem::path out = scratch / "stdout", errors = scratch / "stderr";
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  const int out_file = open_or_throw(out, flags), errors_file = open_or_throw(errors, flags);
  int status = 0;
  const pid_t pid = start(command, threads, out_file, errors_file);
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  const std::string failure = failure_of(status, formats::read_text(errors));
  if (!failure.empty()) throw Error(failure);
  return formats::read_text(out);
}

}  // namespace plugtune::study
