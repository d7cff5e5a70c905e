#pragma once
// guard.h - every call into a plugin goes through here: whatever it throws is told with the plugin's name and file.

#include <exception>
#include <string>
#include <utility>

#include "plugtune/error.h"

namespace plugtune::plugin {

/// What the exception being handled says: without libtorch's C++ backtrace, and in words when it is no std::exception.
std::string exception_text();

/// A symbol or type as it stands in the source; itself when it is none of C++.
std::string demangled(const std::string& symbol);

/// Calls `function`. An exception leaves as Error "in <subject>, <call>: <what it says>".
template <class Function>
auto guard(const std::string& subject, const char* call, Function&& function) {
  try {
    return std::forward<Function>(function)();
  } catch (...) {
    throw Error("in " + subject + ", " + call + ": " + exception_text());
  }
}

/// The same for calls that read settings: an Error is the user's mistake with a subject of its own ("strategy.rank: ...")
/// and leaves as it is.
template <class Function>
auto guard_settings(const std::string& subject, const char* call, Function&& function) {
  try {
    return std::forward<Function>(function)();
  } catch (const Error&) {
    throw;
  } catch (...) {
    throw Error("in " + subject + ", " + call + ": " + exception_text());
  }
}

}  // namespace plugtune::plugin
