#pragma once
// elf_file.h - what a shared library's headers say, read without loading it: is it whole, is it for this machine, what
// does it export. (dlopen of a file that was cut off ends the process with SIGBUS.)

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plugtune::plugin {

/// What keeps `bytes` from being a whole shared library of this machine; "" when nothing does. The text follows a subject:
/// "must be a shared library, but begins with \"#!/bin/sh\"".
std::string library_problem(std::string_view bytes);

/// Names of the symbols that a library defines and shows to others, sorted. `bytes` has no library_problem.
/// Empty as well when it has no section headers (sstrip).
std::vector<std::string> exported_symbols(std::string_view bytes);

}  // namespace plugtune::plugin
