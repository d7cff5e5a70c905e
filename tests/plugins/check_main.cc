// check_main.cc - what broken_test starts for each test that may not come back: checks one thing, as `plugtune check` would.
//
//   check_main FILE --only NAME --in-process --result-fd N
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "plugin/check.h"
#include "plugtune/error.h"

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  plugtune::plugin::CheckOptions options;
  options.only = {words.at(2)};
  try {
    for (const auto& result : plugtune::plugin::run_checks_in_process(words.at(0), options, {}))
      plugtune::plugin::report_result(std::stoi(words.at(5)), result);
  } catch (const plugtune::Error& error) {
    std::cerr << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
