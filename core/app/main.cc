// main.cc - the program.
#include "app/commands.h"
#include "kernels/tensor_memory.h"
#include "kernels/torch_products.h"

int main(int argc, char** argv) {
  plugtune::kernels::keep_tensor_memory();
  plugtune::kernels::take_over_torch_products();
  return plugtune::app::run(plugtune::app::Arguments(argv + 1, argv + argc));
}
