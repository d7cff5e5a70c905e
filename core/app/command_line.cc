// command_line.cc - one command's options: declared, parsed, explained.
#include "app/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <iostream>

namespace plugtune::app {

namespace po = boost::program_options;

/// What was declared, in order, and what was given.
struct CommandLine::Options {
  struct Option {
    std::string name, unit, meaning;
    std::vector<std::string> choices;
  };
  struct Positional {
    std::string name;
    bool many = false, may_be_absent = false;
  };
  std::vector<Option> shown;
  std::vector<Positional> positionals;
  po::options_description described;
  po::positional_options_description order;
  po::variables_map given;

  std::vector<std::string> names() const {
    std::vector<std::string> all = {"--help"};
    for (const Option& option : shown)
      all.push_back("--" + option.name);
    return all;
  }
  /// " <a> [<b>]", " <a>..."
  std::string usage() const {
    std::string text;
    for (const Positional& one : positionals) {
      const std::string what = fmt::format("<{}>{}", one.name, one.many ? "..." : "");
      text += one.may_be_absent ? fmt::format(" [{}]", what) : fmt::format(" {}", what);
    }
    return text;
  }
};

CommandLine::CommandLine(std::string command, std::string about, std::vector<std::string> example)
    : command_(std::move(command)),
      about_(std::move(about)),
      example_(std::move(example)),
      options_(std::make_unique<Options>()) {
  options_->described.add_options()("help,h", "");
}
CommandLine::~CommandLine() = default;

CommandLine& CommandLine::positional(const std::string& name, bool many) {
  options_->positionals.push_back({name, many});
  options_->described.add_options()(name.c_str(), po::value<std::vector<std::string>>(), "");
  options_->order.add(name.c_str(), many ? -1 : 1);
  return *this;
}

CommandLine& CommandLine::optional_positional(const std::string& name) {
  positional(name);
  options_->positionals.back().may_be_absent = true;
  return *this;
}

CommandLine& CommandLine::flag(const std::string& name, const std::string& meaning) {
  options_->shown.push_back({name, "", meaning, {}});
  options_->described.add_options()(name.c_str(), "");
  return *this;
}

CommandLine& CommandLine::value(const std::string& name, const std::string& unit, const std::string& meaning) {
  options_->shown.push_back({name, unit, meaning, {}});
  options_->described.add_options()(name.c_str(), po::value<std::string>(), "");
  return *this;
}

CommandLine& CommandLine::values(const std::string& name, const std::string& unit, const std::string& meaning) {
  options_->shown.push_back({name, unit, meaning + "; may be repeated", {}});
  options_->described.add_options()(name.c_str(), po::value<std::vector<std::string>>()->composing(), "");
  return *this;
}

CommandLine& CommandLine::choice(const std::string& name, const std::vector<std::string>& choices,
                                 const std::string& meaning) {
  options_->shown.push_back({name, join(choices, "|"), meaning, choices});
  options_->described.add_options()(name.c_str(), po::value<std::string>()->default_value(choices.front()), "");
  return *this;
}

CommandLine& CommandLine::plugin_path() { return values("plugin-path", "DIR", "look for plugins here first"); }
CommandLine& CommandLine::overrides() { return values("set", "KEY=VALUE", "instead of what the experiment file says"); }
CommandLine& CommandLine::quiet() { return flag("quiet", "show no progress"); }

Error CommandLine::mistake(const std::string& text) const {
  return Error(
      fmt::format("{}: {}{}see plugtune {} --help", command_, text, text.ends_with('?') ? " " : "; ", command_));
}

bool CommandLine::parse(const Arguments& arguments) {
  constexpr int kStyle = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  // Help wins over everything that is wrong beside it.
  if (std::any_of(arguments.begin(), arguments.end(),
                  [](const auto& text) { return text == "--help" || text == "-h"; })) {
    std::cout << help();
    return false;
  }
  try {
    po::store(
        po::command_line_parser(arguments).options(options_->described).positional(options_->order).style(kStyle).run(),
        options_->given);
  } catch (const po::unknown_option& error) {
    const std::string name = error.get_option_name();
    const std::vector<std::string> names = options_->names();
    const std::string hint = did_you_mean(name, names);
    const bool has_settings = std::ranges::find(names, "--set") != names.end();
    throw mistake(fmt::format("there is no option '{}'{}", name,
                              hint.empty() && has_settings ? "; settings are given as --set KEY=VALUE" : hint));
  } catch (const po::too_many_positional_options_error&) {
    const auto& positionals = options_->positionals;
    throw mistake(positionals.empty()       ? "takes no arguments"
                  : positionals.size() == 1 ? fmt::format("takes one <{}>", positionals.front().name)
                                            : fmt::format("takes{} and no more", options_->usage()));
  } catch (const po::error& error) {
    throw mistake(error.what());
  }
  for (const Options::Positional& one : options_->positionals) {
    if (!one.may_be_absent && !has(one.name)) throw mistake(fmt::format("<{}> is missing", one.name));
  }
  check_choices();
  return true;
}

void CommandLine::check_choices() const {
  for (const Options::Option& option : options_->shown) {
    if (option.choices.empty()) continue;
    const std::string given = text(option.name);
    if (std::find(option.choices.begin(), option.choices.end(), given) != option.choices.end()) continue;
    throw Error(fmt::format("--{}: must be one of {}, got \"{}\"{}", option.name, join(option.choices), given,
                            did_you_mean(given, option.choices)));
  }
}

bool CommandLine::has(const std::string& name) const {
  return options_->given.count(name) > 0 && !options_->given[name].defaulted();
}

std::string CommandLine::text(const std::string& name) const {
  return options_->given.count(name) > 0 ? options_->given[name].as<std::string>() : "";
}

int64_t CommandLine::whole_number(const std::string& name, int64_t otherwise, int64_t least) const {
  if (!has(name)) return otherwise;
  const std::string given = text(name);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), number);
  if (error == std::errc() && end == given.data() + given.size() && number >= least) return number;
  throw Error(fmt::format("{}: --{} must be a whole number of at least {}, got '{}'", command_, name, least, given));
}

std::vector<std::string> CommandLine::texts(const std::string& name) const {
  return has(name) ? options_->given[name].as<std::vector<std::string>>() : std::vector<std::string>();
}

plugin::SearchPath CommandLine::search_path() const { return plugin::SearchPath::of_process(texts("plugin-path")); }

std::string CommandLine::help() const {
  std::string out = fmt::format("usage: plugtune {}{}", command_, options_->usage());
  if (!options_->shown.empty()) out += " [options]";
  out += fmt::format("\n\n{}\n", about_);
  if (!options_->shown.empty()) out += "\n";
  for (const Options::Option& option : options_->shown) {
    const std::string name = fmt::format("--{}{}{}", option.name, option.unit.empty() ? "" : " ", option.unit);
    out += fmt::format("  {:<28} {}\n", name, option.meaning);
  }
  out += fmt::format("\nexample{}:\n", example_.size() == 1 ? "" : "s");
  for (const std::string& line : example_)
    out += fmt::format("  {}\n", line);
  return out;
}

}  // namespace plugtune::app
