// settings.cc - reading the keys, and finding the files of the splits in a folder.
#include "settings.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "plugtune/blocks/text_file.h"
#include "plugtune/error.h"

namespace table {
namespace {

namespace fs = std::filesystem;

// The files in `folder` that are called as one of `stems`, with an ending that this plugin reads.
std::vector<std::string> files_called(const std::string& folder, const std::vector<std::string>& stems) {
  static const std::set<std::string> kEndings = {".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt"};
  std::vector<std::string> found;
  std::error_code failure;
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end; at.increment(failure)) {
    const fs::path& path = at->path();
    if (std::find(stems.begin(), stems.end(), path.stem()) == stems.end()) continue;
    if (kEndings.count(path.extension()) != 0 && !at->is_directory()) found.push_back(path.filename());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// One split's file when `path` is a folder: the setting `key`, or a file with one of the usual names.
std::string file_in_folder(const plugtune::ConfigView& config, const std::string& folder, const std::string& key,
                           const std::vector<std::string>& stems) {
  const std::vector<std::string> found = files_called(folder, stems);
  if (!config.has(key) && found.size() > 1) {
    config.problem("path", folder + " has " + plugtune::join(found, " and ") + "; say which is the one: " + key +
                               " = \"" + found[0] + "\"");
    return "";
  }
  const std::string name = config.string(key, found.empty() ? "" : found[0]);
  return name.empty() ? "" : (fs::path(folder) / name).string();
}

void check_file(const plugtune::ConfigView& config, const std::string& key, const std::string& path) {
  std::error_code ignored;
  if (path.empty()) return;
  if (fs::is_directory(path, ignored)) {
    config.problem(key, "must be a file, got the folder " + path + "; " + plugtune::folder_contents(path));
  } else if (!fs::exists(path, ignored)) {
    const std::string folder = fs::path(path).parent_path().string();
    config.problem(key, plugtune::not_found(path) + "; " + plugtune::folder_contents(folder.empty() ? "." : folder));
  }
}

void find_files(const plugtune::ConfigView& config, Settings& settings) {
  std::error_code ignored;
  const std::string path = config.required_string("path");
  if (!fs::is_directory(path, ignored)) {
    if (!config.string("train", "").empty()) {
      config.problem("train", "must not be given when path is a file; make path the folder of both");
    }
    settings.train = path;
    check_file(config, "path", path);
    settings.validation = config.string("validation", "");
    settings.test = config.string("test", "");
  } else {
    settings.train = file_in_folder(config, path, "train", {"train", "training"});
    settings.validation = file_in_folder(config, path, "validation", {"validation", "valid", "val", "dev"});
    settings.test = file_in_folder(config, path, "test", {"test"});
    if (settings.train.empty() && config.problems().empty()) {
      config.problem("path", "must be a file, or a folder with train.csv, train.tsv or train.jsonl; " +
                                 plugtune::folder_contents(path) + "; name the one to train on: train = \"...\"");
    }
    check_file(config, "train", settings.train);
  }
  check_file(config, "validation", settings.validation);
  check_file(config, "test", settings.test);
}

// "auto", or one character; where `may_be_none`, also "".
std::optional<char> character(const plugtune::ConfigView& config, const std::string& key, bool may_be_none) {
  const std::string text = config.string(key, "auto");
  if (text == "auto") return std::nullopt;
  if (text.empty() && may_be_none) return '\0';
  const bool is_usable = text.size() == 1 && static_cast<uint8_t>(text[0]) < 0x80 && text[0] != '\n' && text[0] != '\r';
  if (is_usable) return text[0];
  config.problem(key, std::string("must be \"auto\"") + (may_be_none ? ", \"\" (none)" : "") +
                          " or one ASCII character, got \"" + text + "\"");
  return std::nullopt;
}

void read_format(const plugtune::ConfigView& config, Settings& settings) {
  const std::string format = config.choice("format", "auto", {"auto", "csv", "tsv", "jsonl"});
  if (format == "csv") settings.format = Format::kCsv;
  if (format == "tsv") settings.format = Format::kTsv;
  if (format == "jsonl") settings.format = Format::kJsonLines;
  settings.delimiter = character(config, "delimiter", /*may_be_none=*/false);
  settings.quote = character(config, "quote", /*may_be_none=*/true);
  if (settings.delimiter && settings.delimiter == settings.quote) {
    config.problem("quote", "must differ from delimiter, got the same character");
  }
  const auto header = config.boolean_or("header", std::string("auto"), {"auto"});
  if (const bool* is_given = std::get_if<bool>(&header)) settings.header = *is_given;
}

void read_task(const plugtune::ConfigView& config, Settings& settings) {
  const std::string task = config.choice("task", "classification", {"classification", "multi-label", "regression"});
  if (task == "multi-label") settings.kind = plugtune::TaskKind::kMultiLabel;
  if (task == "regression") settings.kind = plugtune::TaskKind::kRegression;
  for (const std::string& label : config.strings("labels", {}))
    settings.labels.emplace_back(plugtune::trimmed(label));  // as those of the file
  settings.label_separator = config.string("label_separator", ",");
  if (settings.label_separator.empty()) config.problem("label_separator", "must not be empty");
  const std::set<std::string> different(settings.labels.begin(), settings.labels.end());
  if (settings.kind == plugtune::TaskKind::kRegression && !settings.labels.empty()) {
    config.problem("labels", "must not be given for a regression: its labels are numbers");
  } else if (different.size() != settings.labels.size()) {
    config.problem("labels", "must be different from one another");
  } else if (settings.kind == plugtune::TaskKind::kClassification && settings.labels.size() == 1) {
    const bool is_list = settings.labels.front().find(',') != std::string::npos;
    config.problem("labels", is_list ? "must be at least 2, got one text with commas; write them as [\"a\", \"b\"]"
                                     : "must be at least 2, got 1");
  } else if (settings.kind == plugtune::TaskKind::kMultiLabel && settings.labels.size() > 63) {
    config.problem("labels", "must be at most 63 for multi-label, got " + std::to_string(settings.labels.size()));
  }
}

void read_shares(const plugtune::ConfigView& config, Settings& settings) {
  settings.validation_share = config.number("validation_share", 0.0, 0.0, 0.9);
  settings.test_share = config.number("test_share", 0.0, 0.0, 0.9);
  settings.split_seed = config.integer("split_seed", 0);
  if (settings.validation_share > 0 && !settings.validation.empty()) {
    config.problem("validation_share", "must be 0 when there is a validation file, " + settings.validation +
                                           "; validation = \"\" leaves the file out");
  }
  if (settings.test_share > 0 && !settings.test.empty()) {
    config.problem("test_share",
                   "must be 0 when there is a test file, " + settings.test + "; test = \"\" leaves the file out");
  }
  if (settings.validation_share + settings.test_share > 0.9) {
    config.problem("validation_share", "must leave examples to train on: together with test_share at most 0.9");
  }
}

}  // namespace

Settings read_settings(const plugtune::ConfigView& config) {
  Settings settings;
  find_files(config, settings);
  read_format(config, settings);
  settings.columns[kText] = config.string("text", "text");
  settings.columns[kTextPair] = config.string("text_pair", "");
  settings.columns[kLabel] = config.string("label", "label");
  if (settings.columns[kText].empty()) config.problem("text", "must not be empty");
  read_task(config, settings);
  read_shares(config, settings);
  config.reject_unknown();
  return settings;
}

}  // namespace table
