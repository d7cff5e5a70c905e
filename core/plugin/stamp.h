#pragma once
// stamp.h - the line inside a plugin that says what it was built with, read and compared before the plugin is loaded.
//
// The promise behind it: docs/abi.md. How it gets into a plugin: sdk/include/plugtune/stamp.h.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugtune::plugin {

/// `PLUGTUNE-ABI-STAMP:<format>;<field>=<value>;...`, taken apart.
struct Stamp {
  int format = 0;
  std::vector<std::pair<std::string, std::string>> fields;

  std::string field(const std::string& name) const;  ///< "" when there is none
};

/// What this host was built with.
const Stamp& host_stamp();

/// The first stamp in a file's bytes.
std::optional<Stamp> find_stamp(std::string_view bytes);

/// Why a plugin with this stamp cannot be loaded by a host with that one: one line per field, all of them; empty when it can.
///
/// Equal SDK major, plugin minor at most the host's; torch, cxx11_abi, compiler, gxx_abi, debug, sanitizer and
/// sizeof.Module equal. Fields that the host does not know are ignored, sdk_hash is only a note (see stamp_note).
std::vector<std::string> stamp_differences(const Stamp& plugin, const Stamp& host);

/// Why a plugin that can be loaded may be worth rebuilding: its SDK headers were not, letter by letter, the host's. Often
/// only a comment differs, so this is shown by `plugtune plugins` and `plugtune check` and never refused. "" when equal.
std::string stamp_note(const Stamp& plugin, const Stamp& host);

/// The stamp of a plugin's file, after every check that needs no loading. Throws Error: no such file, not a shared library,
/// cut off, for another machine, no stamp, a newer stamp format, or built with something else (every difference at once,
/// and the command that rebuilds it).
Stamp check_stamp(const std::string& path);

/// The command that builds the plugin `name` whose file is (or would be) in `directory`: with the build tree that the
/// directory belongs to, or in general terms.
std::string rebuild_command(const std::string& directory, const std::string& name);

}  // namespace plugtune::plugin
