// library.cc - dlopen through Boost.DLL, with the loader's reason as the message.
#include "plugin/library.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <list>

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
  return unresolved + demangled(reason.substr(at + unresolved.size()));
}

// What a plugin's global variable throws ends the process, since half a library is loaded then. This says whose it was.
const char* loading = "";
[[noreturn]] void end_of_loading() {
  std::fprintf(stderr, "%s: does not load: a constructor of its global variables failed: %s\n", loading,
               exception_text().c_str());
  std::_Exit(2);
}

struct TerminateHandler {
  explicit TerminateHandler(const std::string& path) : before(std::set_terminate(end_of_loading)) {
    loading = path.c_str();
  }
  ~TerminateHandler() { std::set_terminate(before); }
  std::terminate_handler before;
};

/// Loads it, or says why not.
std::string load_into(boost::dll::shared_library& library, const std::string& path) {
  using boost::dll::load_mode::rtld_local;
  using boost::dll::load_mode::rtld_now;
  try {
    library.load(path, rtld_now | rtld_local);
    return "";
  } catch (const boost::system::system_error& error) {
    return load_error(error.what());
  } catch (...) {
    end_of_loading();  // dlopen is declared not to throw: inlined here, it goes to the handler by itself
  }
}

}  // namespace

const boost::dll::shared_library& open_library(const std::string& path) {
  const TerminateHandler handler(path);
  // Kept to the end and beyond: graphs, exceptions and vtables of plugins outlive any scope. A list, so that references hold.
  static auto& open = *new std::list<boost::dll::shared_library>();
  boost::dll::shared_library library;
  if (const std::string problem = load_into(library, path); !problem.empty())
    throw Error(path + ": does not load: " + problem);
  return open.emplace_back(std::move(library));
}

}  // namespace plugtune::plugin
