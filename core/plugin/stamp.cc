// stamp.cc - finds, takes apart and compares build stamps.
#include "plugin/stamp.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "formats/mapped_file.h"
#include "plugin/elf_file.h"
#include "plugin/paths.h"
#include "plugtune/error.h"
#include "plugtune/stamp.h"

namespace plugtune::plugin {
namespace {

constexpr size_t kLongestStamp = 4096;

// Joined when running, from halves that the compiler may not join either: this program must not carry a stamp itself.
std::string magic() {
  static const char* volatile first = PLUGTUNE_STAMP_MAGIC_A;
  static const char* volatile second = PLUGTUNE_STAMP_MAGIC_B;
  return std::string(first) + second;
}

/// "1;sdk=1.0;torch=2.11.0;" - nullopt when it does not begin with a format.
std::optional<Stamp> parse(std::string_view text) {
  Stamp stamp;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), stamp.format);
  if (error != std::errc() || end == text.data() + text.size() || *end != ';') return std::nullopt;
  text.remove_prefix(end - text.data() + 1);
  while (!text.empty()) {
    const std::string_view field = text.substr(0, text.find(';'));
    const size_t equals = field.find('=');
    if (equals != field.npos) stamp.fields.emplace_back(field.substr(0, equals), field.substr(equals + 1));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
  }
  return stamp;
}

struct Version {
  int major = -1, minor = -1;
};
Version version_of(const std::string& text) {
  Version version;
  const char* const end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, version.major);
  if (error == std::errc() && dot != end && *dot == '.') std::from_chars(dot + 1, end, version.minor);
  return version;
}

std::string difference(const std::string& name, const std::string& plugin, const std::string& host,
                       const char* rule = "") {
  return fmt::format("{:<13} plugin {}, plugtune {}{}", name, plugin.empty() ? "(does not say)" : plugin, host, rule);
}

}  // namespace

std::string Stamp::field(const std::string& name) const {
  const auto at = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; });
  return at == fields.end() ? "" : at->second;
}

const Stamp& host_stamp() {
  static const Stamp stamp = [] {
    constexpr auto kText =
        stamp_text(PLUGTUNE_TEXT(PLUGTUNE_STAMP_FORMAT) PLUGTUNE_STAMP_FIELDS, sizeof(::torch::nn::Module));
    return parse(kText.data()).value();
  }();
  return stamp;
}

std::optional<Stamp> find_stamp(std::string_view bytes) {
  const std::string wanted = magic();
  while (const void* at = memmem(bytes.data(), bytes.size(), wanted.data(), wanted.size())) {
    bytes.remove_prefix(static_cast<const char*>(at) - bytes.data() + wanted.size());
    const std::string_view text = bytes.substr(0, kLongestStamp);
    const auto end = std::find_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; });
    if (auto stamp = parse(text.substr(0, end - text.begin()))) return stamp;
  }
  return std::nullopt;
}

std::vector<std::string> stamp_differences(const Stamp& plugin, const Stamp& host) {
  std::vector<std::string> differences;
  const Version theirs = version_of(plugin.field("sdk"));
  const Version ours = version_of(host.field("sdk"));
  if (theirs.major != ours.major) {
    differences.push_back(difference("sdk", plugin.field("sdk"), host.field("sdk"), " (another major version)"));
  } else if (theirs.minor > ours.minor) {
    differences.push_back(
        difference("sdk", plugin.field("sdk"), host.field("sdk"), " (plugtune is older than the plugin)"));
  }
  for (const char* name : {"torch", "cxx11_abi", "compiler", "gxx_abi", "debug", "sanitizer", "sizeof.Module"}) {
    const std::string value = plugin.field(name);
    if (value != host.field(name)) differences.push_back(difference(name, value, host.field(name)));
  }
  return differences;
}

std::string stamp_note(const Stamp& plugin, const Stamp& host) {
  if (plugin.field("sdk_hash") == host.field("sdk_hash")) return "";
  return "was built against SDK headers that differ from this plugtune's, perhaps in comments only";
}

Stamp check_stamp(const std::string& path) {
  const auto file = formats::MappedFile::open(path);
  if (const std::string problem = library_problem(file->bytes()); !problem.empty()) throw Error(path + ": " + problem);
  const std::optional<Stamp> stamp = find_stamp(file->bytes());
  if (!stamp) {
    throw Error(path +
                ": has no plugtune stamp, so it is not a plugin; a plugin's source has PLUGTUNE_STRATEGY(...) or "
                "PLUGTUNE_DATASET(...) and is built with plugtune_add_plugin()");
  }
  const Stamp& host = host_stamp();
  if (stamp->format > host.format) {
    throw Error(
        fmt::format("{}: has a stamp of format {}, this plugtune reads up to {}; use a newer plugtune, or rebuild the "
                    "plugin against this one",
                    path, stamp->format, host.format));
  }
  const std::vector<std::string> differences = stamp_differences(*stamp, host);
  if (!differences.empty()) {
    const std::filesystem::path file_path(path);
    const std::string name = file_path.filename().string().substr(0, file_path.filename().string().find('.'));
    throw Error(path + ": was not built for this plugtune:\n  " + join(differences, "\n  ") +
                "\nrebuild it with: " + rebuild_command(file_path.parent_path().string(), name));
  }
  return *stamp;
}

std::string rebuild_command(const std::string& directory, const std::string& name) {
  const std::string build = build_tree_of(directory);
  if (!build.empty()) return "cmake --build " + build + " --target " + name;
  return "cmake --build <its build folder> --target " + name;
}

}  // namespace plugtune::plugin
