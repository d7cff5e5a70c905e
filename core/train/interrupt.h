#pragma once
// interrupt.h - Ctrl-C and SIGTERM as a request that training answers between two steps.

#include <string>

#include "plugtune/error.h"

namespace plugtune::train {

/// From now on SIGINT and SIGTERM are noted; the second one ends the process at once.
void note_interrupts();
/// The signal that was noted, or 0.
int pending_interrupt() noexcept;

/// Thrown after the checkpoint is written. The program's exit code is 128 + signal.
class Interrupted : public std::runtime_error {
 public:
  Interrupted(int signal, const std::string& message) : std::runtime_error(message), signal_(signal) {}
  int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

}  // namespace plugtune::train
