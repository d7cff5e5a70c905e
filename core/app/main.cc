// main.cc - the program.
#include "app/commands.h"

int main(int argc, char** argv) { return plugtune::app::run(plugtune::app::Arguments(argv + 1, argv + argc)); }
