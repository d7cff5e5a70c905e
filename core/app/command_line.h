#pragma once
// command_line.h - one command's options: declared, parsed, explained.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/commands.h"
#include "plugin/search.h"
#include "plugtune/error.h"

namespace plugtune::app {

/// Declare everything, then parse(). Mistakes are Errors that begin with the command's name.
class CommandLine {
 public:
  /// @param example  lines of `--help` that can be typed as they are.
  CommandLine(std::string command, std::string about, std::vector<std::string> example);
  ~CommandLine();

  /// The arguments without a name, in order. @param many  one or more, behind which comes nothing; else exactly one.
  CommandLine& positional(const std::string& name, bool many = false);
  /// One or none, behind all that must be there.
  CommandLine& optional_positional(const std::string& name);
  CommandLine& flag(const std::string& name, const std::string& meaning);
  CommandLine& value(const std::string& name, const std::string& unit, const std::string& meaning);
  /// May be given several times.
  CommandLine& values(const std::string& name, const std::string& unit, const std::string& meaning);
  /// One of `choices`; without the option, the first.
  CommandLine& choice(const std::string& name, const std::vector<std::string>& choices, const std::string& meaning);

  // The options that several commands have.
  CommandLine& plugin_path();  ///< --plugin-path DIR, repeated: see search_path()
  CommandLine& overrides();    ///< --set KEY=VALUE, repeated: texts("set")
  CommandLine& quiet();        ///< --quiet

  /// False: the help was asked for and printed. Throws Error.
  bool parse(const Arguments& arguments);

  bool has(const std::string& name) const;
  /// Of a value or choice; "" when it was not given and has no default.
  std::string text(const std::string& name) const;
  /// Of a value; `otherwise` when it was not given. Throws Error when it is no whole number of at least `least`.
  int64_t whole_number(const std::string& name, int64_t otherwise, int64_t least) const;
  /// Of values() or the positional arguments.
  std::vector<std::string> texts(const std::string& name) const;
  plugin::SearchPath search_path() const;

  std::string help() const;

 private:
  struct Options;
  Error mistake(const std::string& text) const;
  void check_choices() const;

  std::string command_, about_;
  std::vector<std::string> example_;
  std::unique_ptr<Options> options_;
};

}  // namespace plugtune::app
