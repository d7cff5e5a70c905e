// plugins.cc - `plugtune plugins`: what is found, and what is wrong with it.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "app/command_line.h"
#include "plugin/loader.h"
#include "plugin/stamp.h"
#include "report/text_table.h"

namespace plugtune::app {

namespace {

/// A file that was found, and what it says of itself when it could be loaded.
struct Listed {
  plugin::Found found;
  std::string version, summary, problem, note;
};

Listed describe(const plugin::Found& found) {
  Listed listed{found, "", "", "", ""};
  if (!found.shadowed_by.empty()) {
    listed.note = "not used: " + found.shadowed_by + " comes first";
    return listed;
  }
  try {
    listed.note = plugin::stamp_note(plugin::check_stamp(found.path), plugin::host_stamp());
    const plugin::Plugin plugin = plugin::load_file(found.kind, found.path);
    listed.version = plugin.version();
    listed.summary = plugin.summary();
  } catch (const Error& error) {
    listed.problem = error.what();
  }
  return listed;
}

std::string json_text(const std::vector<Listed>& all) {
  auto list = nlohmann::ordered_json::array();
  for (const Listed& listed : all) {
    nlohmann::ordered_json json = {{"kind", plugin::kind_name(listed.found.kind)},
                                   {"name", listed.found.name},
                                   {"version", listed.version},
                                   {"summary", listed.summary},
                                   {"file", listed.found.path}};
    if (!listed.found.shadowed_by.empty()) json["shadowed_by"] = listed.found.shadowed_by;
    if (!listed.problem.empty()) json["problem"] = listed.problem;
    list.push_back(std::move(json));
  }
  return list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string table_text(const std::vector<Listed>& all) {
  report::TextTable table({{"kind"}, {"name"}, {"version"}, {"summary"}, {"file"}});
  std::string remarks;
  for (const Listed& listed : all) {
    const bool loads = listed.problem.empty() && listed.found.shadowed_by.empty();
    table.add({plugin::kind_name(listed.found.kind), listed.found.name, loads ? listed.version : "-",
               loads                    ? listed.summary
               : listed.problem.empty() ? "not used"
                                        : "does not load",
               listed.found.path});
    if (!listed.note.empty()) remarks += fmt::format("\n{}: {}\n", listed.found.path, listed.note);
    if (!listed.problem.empty()) remarks += fmt::format("\n{}\n", listed.problem);
  }
  return table.terminal() + remarks;
}

std::string nothing_found(const plugin::SearchPath& search) {
  std::string out = "no plugins found. Looked in\n";
  for (const auto& place : search.places())
    out += fmt::format("  {:<24} {}\n", place.label, place.directory.empty() ? "not given" : place.directory);
  return out;
}

}  // namespace

int plugins_command(const Arguments& arguments) {
  CommandLine line("plugins",
                   "Lists the strategies and data sets that are found, in the order in which they are looked for.",
                   {"plugtune plugins", "plugtune plugins --plugin-path ~/methods --json"});
  line.flag("json", "for programs").plugin_path();
  if (!line.parse(arguments)) return kDone;

  std::vector<Listed> all;
  for (const plugin::Found& found : plugin::list(line.search_path()))
    all.push_back(describe(found));
  std::cout << (line.has("json") ? json_text(all) : all.empty() ? nothing_found(line.search_path()) : table_text(all));
  return kDone;
}

}  // namespace plugtune::app
