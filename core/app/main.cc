// main.cc - the program.
#include <malloc.h>

#include "app/commands.h"
#include "kernels/torch_products.h"

namespace {

/// A step frees its tensors and the next one makes them again: pages that went back to the system in between would have to be mapped
/// and zeroed anew.
void keep_freed_pages() {
  constexpr int kLargest = 32 << 20;  // of what malloc keeps; what is larger is the system's again at once
  mallopt(M_MMAP_THRESHOLD, kLargest);
  mallopt(M_TRIM_THRESHOLD, 16 * kLargest);
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_pages();
  plugtune::kernels::take_over_torch_products();
  return plugtune::app::run(plugtune::app::Arguments(argv + 1, argv + argc));
}
