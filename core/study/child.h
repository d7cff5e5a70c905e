#pragma once
// child.h - a training as a process of its own: what it breaks is its own run.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace plugtune::study {

/// A process that dies with this one. It is in a process group of its own: Ctrl-C reaches it through interrupt() alone, once.
class Child {
 public:
  /// @param command  the program's path and its arguments   @param threads  OMP_NUM_THREADS
  /// @param errors   file of its standard error; what it prints otherwise goes
  Child(const std::vector<std::string>& command, int threads, const std::filesystem::path& errors);
  /// Kills it when it still runs.
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  /// How it ended, as waitpid() says it; none while it runs.
  std::optional<int> poll();
  /// SIGTERM, which a training answers with a checkpoint.
  void interrupt() const;

 private:
  pid_t pid_ = -1;
};

/// "" for an end with exit code 0; else why it ended, from the end and what it wrote to standard error.
std::string failure_of(int status, const std::string& errors);

/// Standard output of a process that is waited for. Throws Error with its standard error when it fails.
std::string output_of(const std::vector<std::string>& command, int threads, const std::filesystem::path& scratch);

}  // namespace plugtune::study
