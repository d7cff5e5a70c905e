// json_lines.cc - the members of each line's object that the settings ask for.
#include "json_lines.h"

#include <algorithm>
#include <string>
#include <vector>

#include "plugtune/error.h"

#include "columns.h"
#include "json.h"

namespace table {
namespace {

class JsonRows final : public Rows {
 public:
  JsonRows(const plugtune::TextFile& file, const Settings& settings, plugtune::FileProblems& problems)
      : file_(file),
        settings_(settings),
        problems_(problems),
        lines_(file.text()) {}

  bool next(Row& row) override {
    while (next_object()) {
      if (!has_wanted_members(row)) continue;
      return true;
    }
    return false;
  }

  std::vector<std::string> keys() const {
    std::vector<std::string> names;
    for (const Member& member : members_)
      names.push_back(decode(file_.text(), member.key, '\0'));
    return names;
  }

  // Lines without an object are noted and passed over.
  bool next_object() {
    std::string_view line;
    while (lines_.next(line)) {
      if (plugtune::is_blank(line)) continue;
      begin_ = file_.offset_of(line);
      JsonFault fault;
      if (read_json_object(file_.text(), begin_, begin_ + line.size(), members_, fault)) return true;
      const std::string column = std::to_string(fault.at - begin_ + 1);
      problems_.add(begin_, "line: must be a JSON object, " + fault.problem + " at byte " + column);
    }
    return false;
  }

 private:
  bool has_wanted_members(Row& row) {
    row.begin = begin_;
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string& wanted = settings_.columns[i];
      row.cells[i] = {begin_, 0, Form::kPlain};
      if (wanted.empty()) continue;
      const Member* found = nullptr;
      for (const Member& member : members_) {
        if (!is_key(member, wanted)) continue;
        if (found != nullptr) return note("key '" + wanted + "' must be there once, got it twice");
        found = &member;
      }
      if (found == nullptr) {
        return note(std::string(kColumnKeys[i]) + ": key '" + wanted + "' must be there, got " + name_list(keys()));
      }
      row.cells[i] = found->value;
      const bool is_nested = found->value.form == Form::kJsonArray || found->value.form == Form::kJsonObject;
      if (is_nested && i != kLabel)
        return note(std::string(kColumnKeys[i]) + ": must be a text, got an array or object");
    }
    return true;
  }

  bool is_key(const Member& member, const std::string& wanted) const {
    if (member.key.form == Form::kPlain) return member.key.written(file_.text()) == wanted;
    return decode(file_.text(), member.key, '\0') == wanted;
  }

  bool note(const std::string& problem) {
    problems_.add(begin_, problem);
    return false;
  }

  const plugtune::TextFile& file_;
  const Settings& settings_;
  plugtune::FileProblems& problems_;
  plugtune::LineReader lines_;
  size_t begin_ = 0;
  std::vector<Member> members_;
};

}  // namespace

std::unique_ptr<Rows> json_rows(const plugtune::TextFile& file, const Settings& settings,
                                const plugtune::ConfigView& config, plugtune::FileProblems& problems) {
  if (file.text()[file.text().find_first_not_of(" \t\r\n")] == '[') {
    throw plugtune::Error(file.path() +
                          ": must have one JSON object per line, got a JSON array; convert it: jq -c '.[]' " +
                          file.path() + " > lines.jsonl");
  }
  plugtune::FileProblems told_with_the_rows(file);
  JsonRows first(file, settings, told_with_the_rows);
  if (first.next_object()) {
    const std::vector<std::string> keys = first.keys();
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string& wanted = settings.columns[i];
      if (wanted.empty() || std::find(keys.begin(), keys.end(), wanted) != keys.end()) continue;
      config.problem(kColumnKeys[i], "no key '" + wanted + "' in " + file.path() + near(wanted, keys) +
                                         "its first object has: " + name_list(keys) +
                                         (i == kLabel ? "; where there are none: label = \"\"" : ""));
    }
  }
  return std::make_unique<JsonRows>(file, settings, problems);
}

}  // namespace table
