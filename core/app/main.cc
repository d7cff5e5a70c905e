// main.cc - the program.
#include "app/commands.h"
#include "kernels/mixed_product.h"

int main(int argc, char** argv) {
  plugtune::kernels::take_over_bf16_products();
  return plugtune::app::run(plugtune::app::Arguments(argv + 1, argv + argc));
}
