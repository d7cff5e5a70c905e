// main.cc - the program.
#include "app/commands.h"
#include "kernels/torch_products.h"

int main(int argc, char** argv) {
  plugtune::kernels::take_over_torch_products();
  return plugtune::app::run(plugtune::app::Arguments(argv + 1, argv + argc));
}
