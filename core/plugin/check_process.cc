// check_process.cc - one test in a process of its own: a crash, an exit or an endless loop there is a result here.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "formats/wording.h"
#include "plugin/check_case.h"
#include "plugtune/error.h"

extern "C" char** environ;

namespace plugtune::plugin {
namespace {

constexpr int kResultDescriptor = 3;
using Clock = std::chrono::steady_clock;

/// A file descriptor that closes itself.
struct Descriptor {
  explicit Descriptor(int number) : number(number) {
    if (number < 0) throw Error("check: cannot start a test: " + formats::system_reason(errno));
  }
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void close() {
    if (number >= 0) ::close(number);
    number = -1;
  }
  int number;
};

pid_t start(std::vector<std::string> command, int result_pipe, int output) {
  std::vector<char*> arguments;
  for (std::string& word : command)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, output, 2);
  posix_spawn_file_actions_adddup2(&files, result_pipe, kResultDescriptor);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // so that whatever it starts can be ended with it
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t child = 0;
  const int error = posix_spawn(&child, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) throw Error(command[0] + ": cannot be started: " + formats::system_reason(error));
  return child;
}

/// The exit status, and what the child wrote into the pipe until then. Ends it when the time is over: nullopt.
std::optional<int> wait(pid_t child, int result_pipe, double timeout_seconds, std::string* written) {
  const auto deadline = Clock::now() + std::chrono::duration<double>(timeout_seconds);
  char buffer[4096];
  const auto read_available = [&] {
    ssize_t count = 0;
    while ((count = read(result_pipe, buffer, sizeof(buffer))) > 0)
      written->append(buffer, static_cast<size_t>(count));
    return count == 0;  // the other end is closed
  };
  bool is_closed = false;
  for (;;) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) {
      read_available();
      return status;
    }
    if (Clock::now() >= deadline) {
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      return std::nullopt;
    }
    if (is_closed) {
      usleep(1000);  // it is on its way out
    } else {
      pollfd event{result_pipe, POLLIN, 0};
      poll(&event, 1, /*milliseconds=*/20);
      is_closed = read_available();
    }
  }
}

/// The last line that the child printed: what an abort or a sanitizer says.
std::string last_line(int output) {
  char buffer[4096];
  const off_t size = lseek(output, 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(sizeof(buffer)));
  const ssize_t count = pread(output, buffer, sizeof(buffer), from);
  std::string text(buffer, static_cast<size_t>(std::max<ssize_t>(count, 0)));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::string signal_text(int signal) {
  const char* name = sigabbrev_np(signal);
  const char* words = sigdescr_np(signal);
  return fmt::format("SIG{} ({})", name ? name : std::to_string(signal), words ? words : "unknown");
}

CheckStatus status_of(const std::string& name) {
  for (const CheckStatus status :
       {CheckStatus::kPass, CheckStatus::kFail, CheckStatus::kWarn, CheckStatus::kSkip, CheckStatus::kNote}) {
    if (name == status_name(status)) return status;
  }
  return CheckStatus::kCrash;
}

}  // namespace

void report_result(int descriptor, const CheckResult& result) {
  const nlohmann::json json = {
      {"status", status_name(result.status)}, {"message", result.message}, {"numbers", result.numbers}};
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;  // nobody reads: the parent has gone
    done += static_cast<size_t>(count);
  }
}

CheckResult run_case_in_child(const CheckCase& test, const CheckOptions& options) {
  TORCH_INTERNAL_ASSERT(!options.child_command.empty(), "run_checks needs a child_command");
  std::vector<std::string> command = options.child_command;
  for (const std::string& word : {std::string("--only"), test.name, std::string("--in-process"),
                                  std::string("--result-fd"), std::to_string(kResultDescriptor)})
    command.push_back(word);

  const auto begin = Clock::now();
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) throw Error("check: cannot start a test: " + formats::system_reason(errno));
  Descriptor reading(ends[0]), writing(ends[1]);
  fcntl(reading.number, F_SETFL, O_NONBLOCK);
  Descriptor output(memfd_create("plugtune-check-output", MFD_CLOEXEC));
  const pid_t child = start(command, writing.number, output.number);
  writing.close();
  std::string written;
  const std::optional<int> status = wait(child, reading.number, options.timeout_seconds, &written);

  CheckResult result{test.name, CheckStatus::kCrash};
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const nlohmann::json json = nlohmann::json::parse(written, nullptr, /*allow_exceptions=*/false);
  const bool has_result = json.is_object() && json.contains("status");
  const std::string before = has_result ? "was done, but then " : "";
  if (!status) {
    result.message = before + fmt::format("ran longer than {:g} s", options.timeout_seconds);
  } else if (WIFSIGNALED(*status)) {
    const std::string line = last_line(output.number);
    result.message = before + "died of " + signal_text(WTERMSIG(*status)) + (line.empty() ? "" : ": " + line);
  } else if (!has_result) {
    const std::string line = last_line(output.number);
    result.message =
        fmt::format("ended the process with exit code {}{}", WEXITSTATUS(*status), line.empty() ? "" : ": " + line);
  } else {
    result.status = status_of(json.at("status").get<std::string>());
    result.message = json.at("message").get<std::string>();
    result.numbers = json.at("numbers").get<std::map<std::string, double>>();
  }
  return result;
}

}  // namespace plugtune::plugin
