// interrupt.cc - a signal handler that only remembers.
#include "train/interrupt.h"

#include <csignal>

namespace plugtune::train {
namespace {

volatile std::sig_atomic_t g_pending = 0;

void remember(int signal) {
  g_pending = signal;
  std::signal(signal, SIG_DFL);  // whoever asks twice means it
}

}  // namespace

void note_interrupts() {
  g_pending = 0;
  std::signal(SIGINT, remember);
  std::signal(SIGTERM, remember);
}

int pending_interrupt() noexcept { return g_pending; }

}  // namespace plugtune::train
