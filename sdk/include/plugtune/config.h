#pragma once
// config.h - typed, checked reading of a plugin's own table of the experiment file.

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "plugtune/error.h"
#include "plugtune/export.h"
#include "plugtune/selector.h"

namespace plugtune {
inline namespace v1 {

using torch::Tensor;

/// A value of an experiment file and the line it stands in (0: not from a file). Made by the host.
struct PLUGTUNE_API ConfigNode {
  /// Values in their order.
  using Array = std::vector<ConfigNode>;
  /// Values by key, in the file's order; a key occurs once.
  using Table = std::vector<std::pair<std::string, ConfigNode>>;
  // Without the initialiser Clang looks into pair<string, ConfigNode> before ConfigNode is complete.
  /// What it is; an empty table when nothing is said.
  std::variant<Table, Array, std::string, int64_t, double, bool> value = Table();
  int line = 0;        ///< from 1
  std::string file{};  ///< where the line is; empty: the table's own file ("--set" for a command line override)

  const ConfigNode* find(const std::string& key) const;  ///< of a table; nullptr when absent
  /// Puts a value into a table, in place of that key's. Gives what stands there now.
  ConfigNode& set(const std::string& key, ConfigNode node);
};

/// The delta of a finished run, as values. What `ConfigView::runs` gives.
struct PLUGTUNE_API SourceRun {
  /// A strategy of the run.
  struct Method {
    /// Of its plugin.
    std::string name, version;  ///< of its plugin
    ConfigNode settings;        ///< its table, every default filled in
  };
  std::string name;             ///< the run's name
  std::vector<Method> methods;  ///< in the order in which they were applied
  /// By delta key, `<site path>.<patch>.<parameter>`.
  std::vector<std::pair<std::string, Tensor>> tensors;
  /// True while a saved delta is being loaded: shapes are right, values come with the delta.
  bool placeholder = false;
};

/// One table. Reading never throws: a bad value is noted, the default is returned, and reject_unknown() throws everything
/// at once - so a user sees all mistakes of a file together. Reads are remembered: the resolved experiment lists them.
/// Copies share their state.
class PLUGTUNE_API ConfigView {
 public:
  /// What messages say of where the table is from, and who opens runs.
  struct Origin {
    std::string subject;                                        ///< "strategy": how keys are named in messages
    std::string owner;                                          ///< "strategy 'lora'": whose keys these are
    std::string file;                                           ///< shown with the line
    std::function<SourceRun(const std::string& run)> open_run;  ///< may be empty: runs are refused
  };
  /// Made by the host of each plugin's table; by a plugin of a foreign configuration.
  ConfigView(ConfigNode table, Origin origin);
  /// For tests: no file, subject "strategy".
  explicit ConfigView(ConfigNode table = {});
  ~ConfigView();

  bool has(const std::string& key) const;  ///< given by the user; also marks the key as known

  /// A text.
  std::string string(const std::string& key, const std::string& fallback) const;
  std::string required_string(const std::string& key) const;  ///< "" and a problem when absent
  /// true or false.
  bool boolean(const std::string& key, bool fallback) const;
  /// A whole number, min <= value <= max.
  int64_t integer(const std::string& key, int64_t fallback, int64_t min = std::numeric_limits<int64_t>::min(),
                  int64_t max = std::numeric_limits<int64_t>::max()) const;
  /// Finite, min <= value <= max. Whole numbers are accepted.
  double number(const std::string& key, double fallback, double min = std::numeric_limits<double>::lowest(),
                double max = std::numeric_limits<double>::max()) const;
  /// A number as above, or nothing when the key is absent.
  std::optional<double> optional_number(const std::string& key, double min = std::numeric_limits<double>::lowest(),
                                        double max = std::numeric_limits<double>::max()) const;
  /// A number as above, or one of `words`: `scaling = 4`, `scaling = "learned"`.
  std::variant<double, std::string> number_or(const std::string& key, const std::variant<double, std::string>& fallback,
                                              const std::vector<std::string>& words,
                                              double min = std::numeric_limits<double>::lowest(),
                                              double max = std::numeric_limits<double>::max()) const;
  /// true, false or one of `words`.
  std::variant<bool, std::string> boolean_or(const std::string& key, const std::variant<bool, std::string>& fallback,
                                             const std::vector<std::string>& words) const;
  /// One of `choices`.
  std::string choice(const std::string& key, const std::string& fallback,
                     const std::vector<std::string>& choices) const;
  /// An array of texts; one text reads as an array of one.
  std::vector<std::string> strings(const std::string& key, const std::vector<std::string>& fallback) const;
  /// Whole numbers or numbers by name: `ranks = { query = 8 }`.
  std::map<std::string, double> numbers(const std::string& key) const;
  /// Numbers by name, or one number for every name, which is given under "default": `width = 16`,
  /// `width = { default = 16, "0" = 8 }`.
  std::map<std::string, double> number_or_numbers(const std::string& key, double fallback) const;
  /// An array of whole numbers, each min <= value <= max; one number reads as an array of one.
  std::vector<int64_t> integers(const std::string& key, const std::vector<int64_t>& fallback,
                                int64_t min = std::numeric_limits<int64_t>::min(),
                                int64_t max = std::numeric_limits<int64_t>::max()) const;
  /// `targets` (role names, globs, /regex/) and `layers` ("0-5,11"; "" or absent: all).
  Selector selector(const std::vector<std::string>& default_targets) const;
  /// An array of finished runs, opened by the host. Empty and a problem when absent.
  std::vector<SourceRun> runs(const std::string& key) const;
  /// A nested table, with problems noted here.
  ConfigView table(const std::string& key) const;

  /// Notes a problem with a value that was read: "strategy.rank: <text> (lora.toml:9)".
  void problem(const std::string& key, const std::string& text) const;
  /// The same text as an Error, for what only apply() can know: `throw settings.error("layers", "...")`.
  Error error(const std::string& key, const std::string& text) const;
  /// Notes every key that was never read. Throws Error with all problems, if there are any.
  void reject_unknown() const;

  /// What was noted so far.
  const std::vector<std::string>& problems() const;
  /// The table with every default that was read filled in, in the order of reading.
  const ConfigNode& resolved() const;

 private:
  struct State;
  explicit ConfigView(std::shared_ptr<State> state);
  const ConfigNode* read(const std::string& key) const;
  template <class T>
  T keep(const std::string& key, T value) const;
  std::string located(const std::string& key, const std::string& text) const;
  double checked_number(const std::string& key, double fallback, double min, double max) const;
  std::shared_ptr<State> state_;
};

}  // namespace v1
}  // namespace plugtune
