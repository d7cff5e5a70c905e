// search.cc - looks plugins up by name and says where it looked.
#include "plugin/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "formats/wording.h"
#include "plugin/paths.h"
#include "plugtune/error.h"

namespace plugtune::plugin {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMostNames = 12;

const char* const kFromCommandLine = "--plugin-path";
const char* const kFromEnvironment = "PLUGTUNE_PLUGIN_PATH";

std::optional<std::pair<Kind, std::string>> parse_name(const std::string& file) {
  const size_t dot = file.find('.');
  if (dot == 0 || dot == file.npos) return std::nullopt;
  for (const Kind kind : {Kind::kStrategy, Kind::kDataset}) {
    if (file.substr(dot + 1) == std::string(kind_name(kind)) + ".so") return std::pair(kind, file.substr(0, dot));
  }
  return std::nullopt;
}

struct Entry {
  Kind kind;
  std::string name, path;
};

/// The plugin files of a directory by name; nothing where it cannot be read.
std::vector<Entry> entries(const std::string& directory) {
  std::vector<Entry> all;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const auto parsed = parse_name(at->path().filename().string());
    if (parsed) all.push_back({parsed->first, parsed->second, (fs::path(directory) / at->path().filename()).string()});
  }
  std::sort(all.begin(), all.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.name, a.kind) < std::tie(b.name, b.kind); });
  return all;
}

/// What is to be said of a place that does not have the plugin.
std::string state(const SearchPath::Place& place, Kind kind, const std::string& name) {
  if (place.directory.empty()) return place.label == kFromCommandLine ? "not given" : "not set";
  std::error_code error;
  const fs::file_status status = fs::status(place.directory, error);
  if (!fs::exists(status)) return place.directory + ": does not exist";
  if (!fs::is_directory(status)) return place.directory + ": is not a directory";
  fs::directory_iterator readable(place.directory, error);
  if (error) return place.directory + ": cannot be read: " + formats::system_reason(error.value());

  std::vector<std::string> has;
  for (const Entry& entry : entries(place.directory)) {
    if (entry.kind == kind || entry.name == name) has.push_back(file_name(entry.kind, entry.name));
  }
  std::string list = has.empty() ? fmt::format("has no {}", kind_name(kind)) : "has: ";
  if (has.size() > kMostNames) {
    const size_t more = has.size() - kMostNames;
    has.resize(kMostNames);
    has.push_back(fmt::format("{} more", more));
  }
  return fmt::format("{}: no {} ({}{})", place.directory, file_name(kind, name), list, join(has));
}

/// How the plugin can come to be there: built, when the program's own build tree has a folder for it.
std::string remedy(Kind kind, const std::string& name, const SearchPath& search) {
  const std::string build = build_tree_of(search.beside_program);
  const fs::path folder = fs::path(build) / (kind == Kind::kStrategy ? "plugins" : "datasets") / name;
  std::error_code error;
  if (!build.empty() && fs::is_directory(folder, error))
    return "build it with: cmake --build " + build + " --target " + name;
  return fmt::format(
      "put {0} into one of these, name its folder with --plugin-path, or write its path: plugin = \"./{0}\"",
      file_name(kind, name));
}

}  // namespace

const char* kind_name(Kind kind) noexcept { return kind == Kind::kStrategy ? "strategy" : "dataset"; }

SearchPath SearchPath::of_process(std::vector<std::string> plugin_path) {
  SearchPath search;
  search.plugin_path = std::move(plugin_path);
  if (const char* value = std::getenv(kFromEnvironment)) search.environment = value;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) search.beside_program = shown(program.parent_path().parent_path() / "lib" / "plugtune");
  return search;
}

std::vector<SearchPath::Place> SearchPath::places() const {
  std::vector<Place> all;
  for (const std::string& directory : plugin_path)
    all.push_back({kFromCommandLine, directory});
  if (plugin_path.empty()) all.push_back({kFromCommandLine, ""});

  const size_t before = all.size();
  std::string_view rest = environment ? std::string_view(*environment) : std::string_view();
  while (!rest.empty()) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    if (!directory.empty()) all.push_back({kFromEnvironment, std::string(directory)});
    rest.remove_prefix(std::min(directory.size() + 1, rest.size()));
  }
  if (all.size() == before) all.push_back({kFromEnvironment, ""});

  if (!beside_program.empty()) all.push_back({"", beside_program});
  return all;
}

std::string file_name(Kind kind, const std::string& name) { return name + "." + kind_name(kind) + ".so"; }

std::string resolve(Kind kind, const std::string& name_or_path, const SearchPath& search) {
  if (name_or_path.find('/') != name_or_path.npos) return name_or_path;
  std::vector<std::string> known;
  std::string looked_in;
  for (const SearchPath::Place& place : search.places()) {
    for (const Entry& entry : place.directory.empty() ? std::vector<Entry>() : entries(place.directory)) {
      if (entry.kind != kind) continue;
      if (entry.name == name_or_path) return entry.path;
      known.push_back(entry.name);
    }
    const std::string label = place.label.empty() ? "" : fmt::format("{:<25}", place.label);
    looked_in += fmt::format("\n  {}{}", label, state(place, kind, name_or_path));
  }
  const std::string hint = did_you_mean(name_or_path, known);
  const std::string separator = hint.empty() ? ". " : hint + " ";
  throw Error(fmt::format("plugin '{}': not found{}Looked in{}\n{}", name_or_path, separator, looked_in,
                          remedy(kind, name_or_path, search)));
}

std::vector<Found> list(const SearchPath& search) {
  std::vector<Found> all;
  for (const SearchPath::Place& place : search.places()) {
    if (place.directory.empty()) continue;
    for (const Entry& entry : entries(place.directory)) {
      const auto same = [&](const Found& found) { return found.kind == entry.kind && found.name == entry.name; };
      const auto first = std::find_if(all.begin(), all.end(), same);
      if (std::any_of(all.begin(), all.end(), [&](const Found& found) { return found.path == entry.path; })) continue;
      all.push_back({entry.kind, entry.name, entry.path, place.label, first == all.end() ? "" : first->path});
    }
  }
  return all;
}

std::pair<Kind, std::string> kind_and_name(const std::string& path) {
  const auto parsed = parse_name(fs::path(path).filename().string());
  if (!parsed) throw Error(path + ": a plugin's file must be called <name>.strategy.so or <name>.dataset.so");
  return *parsed;
}

}  // namespace plugtune::plugin
