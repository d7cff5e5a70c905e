#pragma once
// search.h - where plugins are looked for: `plugin = "scale"` is scale.strategy.so in the first place that has it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace plugtune::plugin {

/// What a plugin brings; the word is part of its file's name.
enum class Kind : int32_t { kStrategy = 1, kDataset };
const char* kind_name(Kind kind) noexcept;  ///< "strategy", "dataset"

/// The directories to look in, in order.
struct SearchPath {
  std::vector<std::string> plugin_path;    ///< each --plugin-path
  std::optional<std::string> environment;  ///< PLUGTUNE_PLUGIN_PATH: directories with ':' between; nullopt: not set
  std::string beside_program;  ///< <program>/../lib/plugtune, shown relative to the working directory if inside it

  /// That of this process.
  static SearchPath of_process(std::vector<std::string> plugin_path = {});

  struct Place {
    std::string label;      ///< "--plugin-path", "PLUGTUNE_PLUGIN_PATH", or "" beside the program
    std::string directory;  ///< "" when the place was not given
  };
  std::vector<Place> places() const;
};

/// "scale.strategy.so"
std::string file_name(Kind kind, const std::string& name);

/// The file that `name_or_path` means. A value with a '/' is a path and is returned as it is; a name is looked up.
/// Throws Error with the nearest names and every place looked at with its state.
std::string resolve(Kind kind, const std::string& name_or_path, const SearchPath& search);

/// One plugin file of a search path.
struct Found {
  Kind kind;
  std::string name;  ///< the file's name before the first '.'
  std::string path;
  std::string label;        ///< the place's
  std::string shadowed_by;  ///< path of the file that is taken instead; "" when this one is
};

/// Every plugin file, in the order of the places, by name within each; shadowed ones too.
std::vector<Found> list(const SearchPath& search);

/// Kind and name that a file's name states. Throws Error when it is not <name>.strategy.so or <name>.dataset.so.
std::pair<Kind, std::string> kind_and_name(const std::string& path);

}  // namespace plugtune::plugin
