// check_file.cc - the tests of every plugin's file: stamp, load, exports, descriptor, names.
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "formats/mapped_file.h"
#include "formats/temporary_directory.h"
#include "plugin/check_case.h"
#include "plugin/elf_file.h"
#include "plugin/library.h"
#include "plugin/stamp.h"
#include "plugtune/error.h"

namespace plugtune::plugin {
namespace {

constexpr double kSlowLoadMs = 200;
constexpr size_t kSymbolsShown = 3;
constexpr size_t kSymbolLength = 60;  // names of templates fill a page

std::string check_stamp_case(const CheckSubject& subject) {
  const Stamp stamp = check_stamp(subject.path);
  const std::string note = stamp_note(stamp, host_stamp());
  return fmt::format("sdk {}, torch {}, {}{}", stamp.field("sdk"), stamp.field("torch"), stamp.field("compiler"),
                     note.empty() ? "" : "; " + note);
}

std::string check_load(const CheckSubject& subject) {
  check_stamp(subject.path);
  const auto start = std::chrono::steady_clock::now();
  open_library(subject.path);
  const double load_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  const std::string took = fmt::format("{:.0f} ms", load_ms);
  if (load_ms > kSlowLoadMs) {
    throw CheckVerdict(
        CheckStatus::kWarn,
        fmt::format("{}, should be below {:g} ms; do less in constructors of global variables", took, kSlowLoadMs));
  }
  return took;
}

// Symbols that every library has, whoever linked it.
bool is_expected(const std::string& symbol) {
  static const std::vector<std::string> kLinkers = {"_init", "_fini", "_edata", "_end", "__bss_start"};
  return symbol.starts_with("plugtune_") || std::find(kLinkers.begin(), kLinkers.end(), symbol) != kLinkers.end();
}

std::string check_exports(const CheckSubject& subject) {
  std::vector<std::string> others = exported_symbols(formats::MappedFile::open(subject.path)->bytes());
  std::erase_if(others, is_expected);
  if (others.empty()) return "";
  const std::string number = counted(others.size(), "symbol");
  const bool has_more = others.size() > kSymbolsShown;
  if (has_more) others.resize(kSymbolsShown);
  for (std::string& name : others) {
    name = demangled(name);
    if (name.size() > kSymbolLength) name.replace(kSymbolLength, name.npos, "...");
  }
  fail("must show plugtune_* only, but shows {} more: {}{}; build it with plugtune_add_plugin()", number, join(others),
       has_more ? ", ..." : "");
}

std::string check_descriptor(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  return fmt::format("{} {}{}", plugin.name(), plugin.version(),
                     plugin.summary().empty() ? "" : ": " + plugin.summary());
}

/// A plugin answers to its own name only: the same file under another one is refused.
std::string check_names(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  const formats::TemporaryDirectory directory("check");
  for (const std::string& name : {"x" + plugin.name(), plugin.name() + "x"}) {
    const std::string link = directory.file(file_name(plugin.kind(), name));
    std::filesystem::create_symlink(std::filesystem::absolute(subject.path), link);
    try {
      load_file(link);
    } catch (const Error&) {
      continue;
    }
    fail("loads under the name '{}' as well", name);
  }
  return "";
}

}  // namespace

const std::vector<CheckCase>& file_cases() {
  static const std::vector<CheckCase> kCases = {
      {"stamp", "", "is a whole library that was built for this plugtune", check_stamp_case},
      {"load", "stamp", "loads with every symbol resolved, in under 200 ms", check_load},
      {"exports", "stamp", "shows plugtune_* and nothing else", check_exports},
      {"descriptor", "load", "says its name, version and kind, as its file's name does", check_descriptor},
      {"names", "descriptor", "is refused under a name that is not its own", check_names},
  };
  return kCases;
}

}  // namespace plugtune::plugin
