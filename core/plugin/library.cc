// library.cc - dlopen through Boost.DLL, with the loader's reason as the message.
#include "plugin/library.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "plugin/guard.h"
#include "plugtune/error.h"

namespace plugtune::plugin {
namespace {

/// The loader's own words out of Boost's, with symbols as they stand in the source.
std::string load_error(const std::string& text) {
  const std::string before = "dlerror system message: ";
  const size_t start = text.find(before);
  if (start == text.npos) return text;
  std::string reason = text.substr(start + before.size());
  reason.resize(std::min(reason.size(), reason.rfind("): ")));
  const std::string unresolved = "undefined symbol: ";
  const size_t at = reason.find(unresolved);
  if (at == reason.npos) return reason;
  const std::string symbol = reason.substr(at + unresolved.size());
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status),
                                                         &std::free);
  return unresolved + (name ? name.get() : symbol.c_str());
}

}  // namespace

const boost::dll::shared_library& open_library(const std::string& path) {
  using boost::dll::load_mode::rtld_local;
  using boost::dll::load_mode::rtld_now;
  try {
    // Leaked on purpose: graphs, exceptions and vtables of the plugin outlive any scope.
    return *new boost::dll::shared_library(path, rtld_now | rtld_local);
  } catch (const boost::system::system_error& error) {
    throw Error(path + ": does not load: " + load_error(error.what()));
  } catch (...) {
    throw Error(path + ": does not load: a constructor of its global variables failed: " + exception_text());
  }
}

}  // namespace plugtune::plugin
