// new.cc - `plugtune new`: a plugin to start from, made of the template that plugtune brings.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "app/command_line.h"
#include "experiment/toml.h"
#include "formats/atomic_file.h"
#include "formats/mapped_file.h"
#include "formats/wording.h"
#include "plugin/paths.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word(char c) { return is_lower(c) || is_upper(c) || (c >= '0' && c <= '9') || c == '_'; }
char upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

/// How a plugin is called where: my-method, MyMethod.
struct Names {
  std::string plugin, type;
};

Names names_of(const std::string& plugin) {
  Names names{plugin, ""};
  bool begins_word = true;
  for (const char c : plugin) {
    const bool is_sign = c == '-' || c == '_';
    if (!is_sign) names.type += begins_word ? upper(c) : c;
    begins_word = is_sign;
  }
  return names;
}

// --- what is refused -------------------------------------------------------------------------------------------------

plugin::Kind kind_of(const std::string& given) {
  std::vector<std::string> words;
  for (const plugin::Kind kind : {plugin::Kind::kStrategy, plugin::Kind::kDataset}) {
    if (given == plugin::kind_name(kind)) return kind;
    words.emplace_back(plugin::kind_name(kind));
  }
  throw Error(
      fmt::format("new: <kind> must be {}, got '{}'{}", join(words, " or "), given, did_you_mean(given, words)));
}

void check_name(plugin::Kind kind, const std::string& name) {
  const bool is_name = !name.empty() && (is_lower(name[0]) || is_upper(name[0])) &&
                       std::ranges::all_of(name, [](char c) { return is_word(c) || c == '-'; });
  if (!is_name) {
    const std::string last = fs::path(name).filename().string();
    const std::string hint = name.find('/') == name.npos
                                 ? fmt::format("it is part of a file's name, {}", plugin::file_name(kind, "NAME"))
                                 : fmt::format("the folder stands behind it: plugtune new {} {} {}",
                                               plugin::kind_name(kind), last.empty() ? "NAME" : last, name);
    throw Error(fmt::format("new: a plugin's name must be letters, digits, '-' and '_', a letter first, got '{}'; {}",
                            name, hint));
  }
  static const std::vector<std::string> kTargets = {
      "all",        "all_build", "clean",         "edit_cache", "help",      "install", "package", "package_source",
      "preinstall", "run_tests", "rebuild_cache", "test",       "zero_check"};
  std::string lowered = name;
  std::ranges::transform(lowered, lowered.begin(), lower);
  if (std::ranges::find(kTargets, lowered) != kTargets.end()) {
    throw Error(fmt::format("new: '{}' is a target that every CMake project has; take another name", name));
  }
}

void check_is_free(plugin::Kind kind, const std::string& name, const plugin::SearchPath& search) {
  for (const plugin::Found& found : plugin::list(search)) {
    if (found.kind != kind || found.name != name) continue;
    throw Error(
        fmt::format("new: there is a {} '{}' already, {}; one of your own would be taken instead of it wherever "
                    "--plugin-path names its folder. Take another name",
                    plugin::kind_name(kind), name, found.path));
  }
}

void check_folder(plugin::Kind kind, const std::string& name, const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(folder, error))) return;
  throw Error(fmt::format("new: {} exists already; name another folder: plugtune new {} {} DIRECTORY", folder.string(),
                          plugin::kind_name(kind), name));
}

// --- the template ----------------------------------------------------------------------------------------------------

/// This program's file; what plugtune is installed as, or built as, is the folder above its own.
fs::path program() {
  std::error_code error;
  const fs::path path = fs::read_symlink("/proc/self/exe", error);
  if (error) throw Error("new: /proc/self/exe cannot be read: " + formats::system_reason(error.value()));
  return path;
}

struct Template {
  fs::path folder;
  std::vector<fs::path> files;  ///< relative to the folder, by name
  std::string name;             ///< of the plugin that it is: its source's
};

Template open_template(plugin::Kind kind, const fs::path& prefix) {
  Template found{prefix / "share" / "plugtune" / "template" / plugin::kind_name(kind), {}, ""};
  std::error_code error;
  for (fs::recursive_directory_iterator at(found.folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    const bool is_made = name.starts_with('.') || name == "build";  // by somebody who built it where it lies
    if (is_made && at->is_directory()) at.disable_recursion_pending();
    if (is_made || !at->is_regular_file()) continue;
    found.files.push_back(at->path().lexically_relative(found.folder));
    if (found.files.back().extension() == ".cc") found.name = found.files.back().stem().string();
  }
  if (found.name.empty()) {
    throw Error(
        fmt::format("new: the template of a {} was not found: {} has no source. It comes with plugtune: install all of "
                    "it (cmake --install), not the program alone",
                    plugin::kind_name(kind), plugin::shown(found.folder)));
  }
  std::ranges::sort(found.files);
  return found;
}

std::string read(const fs::path& path) { return std::string(formats::MappedFile::open(path)->bytes()); }

using Words = std::vector<std::pair<std::string, std::string>>;

/// Whether `word` stands at `at` and is no part of another: of `CamelCase`, what goes on with a capital is the next word.
bool stands_at(const std::string& text, size_t at, const std::string& word) {
  if (text.compare(at, word.size(), word) != 0 || (at > 0 && is_word(text[at - 1]))) return false;
  const char next = at + word.size() < text.size() ? text[at + word.size()] : '\0';
  return !is_word(next) || (is_upper(next) && is_lower(word.back()));
}

/// The text with other words, each replaced once: what stands in their place is not looked at again.
std::string renamed(const std::string& text, const Words& words) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto word = std::ranges::find_if(words, [&](const auto& pair) { return stands_at(text, at, pair.first); });
    if (word == words.end()) {
      out += text[at++];
    } else {
      out += word->second;
      at += word->first.size();
    }
  }
  return out;
}

// --- what is told ----------------------------------------------------------------------------------------------------

/// As a shell reads it.
std::string shell_word(const std::string& text) {
  const auto is_plain = [](char c) {
    return is_word(c) || static_cast<unsigned char>(c) >= 0x80 ||
           std::string_view("-./=+:,@%").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
  std::string quoted = "'";
  for (const char c : text)
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// As it stands between the quotation marks of a basic string.
std::string within_toml_string(const std::string& text) {
  const std::string quoted = experiment::write_toml_value(ConfigNode{text});
  return quoted.substr(1, quoted.size() - 2);
}

/// What to type for this program: its name where a shell finds it by that.
std::string program_word(const fs::path& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::error_code error;
    const fs::path file = fs::path(folder) / program.filename();
    if (folder.empty() || !fs::exists(file, error)) continue;
    if (fs::equivalent(file, program, error)) return shell_word(program.filename().string());
    break;
  }
  return shell_word(plugin::shown(program));
}

std::string meaning_of(const fs::path& file, plugin::Kind kind, const std::string& name) {
  if (file.extension() == ".toml") return "an experiment that trains with it";
  if (file.extension() == ".cc") return fmt::format("the {}; it explains itself line by line", plugin::kind_name(kind));
  if (file.filename() == "CMakeLists.txt") return "builds " + plugin::file_name(kind, name);
  if (file.extension() == ".md") return "what to type, and where to read on";
  return "data to try it with";
}

std::string files_text(const fs::path& folder, const std::vector<fs::path>& files, plugin::Kind kind,
                       const std::string& name) {
  size_t width = 0;
  for (const fs::path& file : files)
    width = std::max(width, (folder / file).string().size());
  std::string out;
  for (const fs::path& file : files)
    out += fmt::format("{:<{}}  {}\n", (folder / file).string(), width, meaning_of(file, kind, name));
  return out;
}

std::string next_text(const fs::path& folder, plugin::Kind kind, const std::string& name, const fs::path& program) {
  const fs::path build = folder / "build";
  const bool is_dataset = kind == plugin::Kind::kDataset;
  const std::string sample = shell_word((folder / "sample").string());
  std::string out = "\nbuild it and try it:\n";
  out += fmt::format("  cmake -S {} -B {} -DCMAKE_PREFIX_PATH={}\n", shell_word(folder.string()),
                     shell_word(build.string()), shell_word(program.parent_path().parent_path().string()));
  out += fmt::format("  cmake --build {}\n", shell_word(build.string()));
  out +=
      fmt::format("  {} check {}{}\n", program_word(program),
                  shell_word((build / plugin::file_name(kind, name)).string()), is_dataset ? " --data " + sample : "");
  return out + fmt::format("  {} train {} --plugin-path {}{}\n", program_word(program),
                           shell_word((folder / "experiment.toml").string()), shell_word(build.string()),
                           is_dataset ? " --set data.path=" + sample : "");
}

int make_folder(const CommandLine& line) {
  const plugin::Kind kind = kind_of(line.texts("kind").front());
  const std::string name = line.texts("name").front();
  check_name(kind, name);
  fs::path folder = line.has("directory") ? line.texts("directory").front() : name;
  if (!folder.has_filename()) folder = folder.parent_path();  // "mine/"
  check_folder(kind, name, folder);
  check_is_free(kind, name, line.search_path());

  const fs::path prefix = program().parent_path().parent_path();
  const Template from = open_template(kind, prefix);
  const Names theirs = names_of(from.name);
  Names own = names_of(name);
  // A class may not be called as what the source takes out of plugtune's namespace.
  const std::string source = read(from.folder / (from.name + ".cc"));
  if (source.find("using plugtune::" + own.type + ";") != source.npos)
    own.type += names_of(plugin::kind_name(kind)).type;
  const auto words = [&](const fs::path& file) -> Words {
    const std::string path = prefix.string();
    return {{theirs.plugin, own.plugin},
            {theirs.type, own.type},
            {"PREFIX", file.extension() == ".toml" ? within_toml_string(path) : shell_word(path)}};
  };

  formats::AtomicDirectory directory(folder);
  std::vector<fs::path> files;
  for (const fs::path& file : from.files) {
    const bool is_data = file.has_parent_path();  // as it is
    files.push_back(is_data ? file : fs::path(renamed(file.string(), words(file))));
    const std::string text = read(from.folder / file);
    directory.write(files.back().string(), is_data ? text : renamed(text, words(file)));
  }
  directory.commit();
  std::ranges::sort(files);
  std::cout << files_text(folder, files, kind, name) << next_text(folder, kind, name, program());
  return kDone;
}

}  // namespace

int new_command(const Arguments& arguments) {
  CommandLine line(
      "new",
      "Makes a folder with a plugin of your own to start from: it builds, passes plugtune check and trains\n"
      "as it is, and is changed from there. <kind> is strategy or dataset.",
      {"plugtune new strategy my-method", "plugtune new dataset reviews plugins/reviews"});
  line.positional("kind").positional("name").optional_positional("directory").plugin_path();
  return line.parse(arguments) ? make_folder(line) : kDone;
}

}  // namespace plugtune::app
