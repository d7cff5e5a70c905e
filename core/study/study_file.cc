// study_file.cc - the tables of a study file: types, ranges, unknown keys, all problems noted.
#include "study/study_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "experiment/overrides.h"
#include "experiment/toml.h"
#include "study/method_links.h"

namespace plugtune::study {
namespace {

const std::vector<std::string> kTables = {"study", "model",  "data",   "task",  "train",
                                          "eval",  "method", "source", "search"};
const std::vector<std::string> kCommon = {"model", "data", "task", "train", "eval"};
constexpr int64_t kMostJobs = 64;

ConfigNode empty_table() { return {ConfigNode::Table{}}; }
bool is_table(const ConfigNode& node) { return std::holds_alternative<ConfigNode::Table>(node.value); }
bool is_number(const ConfigNode& node) {
  return std::holds_alternative<int64_t>(node.value) || std::holds_alternative<double>(node.value);
}

bool is_directory_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && name[0] != '-' && std::ranges::none_of(name, [](unsigned char c) {
    return c == '/' || c == '{' || c == '}' || c < 0x20 || c == 0x7F;
  });
}

/// One table while it is read; problems go to the study.
class Reader {
 public:
  Reader(Study& study, const ConfigNode& node, const std::string& subject, const std::string& owner)
      : study_(study),
        node_(node),
        subject_(subject),
        view_(node, {subject, owner, study.file, {}}) {}

  const ConfigView* operator->() const { return &view_; }
  const ConfigNode* find(const std::string& key) const {
    view_.has(key);
    return node_.find(key);
  }
  void problem(const std::string& key, const std::string& text) const { view_.problem(key, text); }

  std::string name(const std::string& key, const std::string& fallback) const {
    const std::string name = fallback.empty() ? view_.required_string(key) : view_.string(key, fallback);
    if (!name.empty() && !is_directory_name(name))
      problem(key,
              "must be the name of a directory, without '/', '{' and '}' and not beginning with '.' or '-', got \"" +
                  name + "\"");
    return name;
  }

  /// Different whole numbers of at least `least`, as nodes that know their line.
  std::vector<ConfigNode> whole_numbers(const std::string& key, std::vector<ConfigNode> fallback, int64_t least) const {
    const ConfigNode* node = find(key);
    if (node == nullptr) return fallback;
    const auto fits = [&](const ConfigNode& one) {
      return std::holds_alternative<int64_t>(one.value) && std::get<int64_t>(one.value) >= least;
    };
    return list(key, *node, fits, fmt::format("a list of different whole numbers of at least {}", least));
  }
  /// Some of the study's own numbers, all of them where the key is not given.
  std::vector<ConfigNode> some_of(const std::string& key, const std::vector<ConfigNode>& all) const {
    const ConfigNode* node = find(key);
    if (node == nullptr) return all;
    const auto fits = [&](const ConfigNode& one) {
      return std::holds_alternative<int64_t>(one.value) && std::ranges::find(all, whole(one), whole) != all.end();
    };
    std::vector<std::string> numbers;
    for (const ConfigNode& one : all)
      numbers.push_back(std::to_string(whole(one)));
    return list(key, *node, fits, fmt::format("a list of some of study.{} ({})", key, join(numbers)));
  }
  std::vector<ConfigNode> rates(const std::string& key) const {
    const ConfigNode* node = find(key);
    if (node == nullptr) return {};
    const auto fits = [](const ConfigNode& one) { return is_number(one) && real(one) > 0; };
    return list(key, *node, fits, "a list of different rates, each more than 0");
  }

  void done() const {
    try {
      view_.reject_unknown();
    } catch (const Error&) {
      // They are in view_.problems().
    }
    study_.problems.insert(study_.problems.end(), view_.problems().begin(), view_.problems().end());
  }

 private:
  template <class Fits>
  std::vector<ConfigNode> list(const std::string& key, const ConfigNode& node, const Fits& fits,
                               const std::string& expected) const {
    const auto* array = std::get_if<ConfigNode::Array>(&node.value);
    bool is_sound = array != nullptr && !array->empty() && std::ranges::all_of(*array, fits);
    std::set<double> values;
    for (size_t i = 0; is_sound && i < array->size(); ++i)
      is_sound = values.insert(real((*array)[i])).second;
    if (is_sound) return *array;
    problem(key, fmt::format("must be {}, got {}", expected, experiment::write_toml_value(node)));
    return {};
  }

  Study& study_;
  const ConfigNode& node_;
  std::string subject_;
  ConfigView view_;
};

std::vector<int64_t> as_whole(const std::vector<ConfigNode>& nodes) {
  std::vector<int64_t> values;
  for (const ConfigNode& node : nodes)
    values.push_back(whole(node));
  return values;
}

std::vector<ConfigNode> as_nodes(const std::vector<int64_t>& values) {
  std::vector<ConfigNode> nodes;
  for (const int64_t value : values)
    nodes.push_back({value});
  return nodes;
}

/// A table of the file; one that is there and is no table is a problem.
ConfigNode table_of(Study& study, const std::string& name) {
  const ConfigNode* node = study.tables.find(name);
  if (node == nullptr) return empty_table();
  if (is_table(*node)) return *node;
  study.problem(name, fmt::format("must be a table, [{}], got {}", name, experiment::write_toml_value(*node)),
                node->line);
  return empty_table();
}

std::string read_settings(Study& study) {
  const ConfigNode table = table_of(study, "study");
  const Reader reader(study, table, "study", "[study]");
  study.name = reader.name("name", std::filesystem::path(study.file).stem().string());
  study.directory = reader->string("directory", "studies/" + study.name);
  if (study.directory.empty()) reader.problem("directory", "must not be empty");
  study.seeds = as_whole(reader.whole_numbers("seeds", {{int64_t{1}}}, 0));
  study.sizes = reader.whole_numbers("sizes", {{int64_t{0}}}, 0);
  study.jobs = reader->integer("jobs", 1, 1, kMostJobs);
  study.keep_all = reader->choice("keep", "sources", {"sources", "all"}) == "all";
  const std::string reference = reader->has("reference") ? reader->string("reference", "") : "";
  reader.done();
  return reference;
}

void read_search(Study& study) {
  const ConfigNode* node = study.tables.find("search");
  if (node == nullptr) return;
  const ConfigNode table = table_of(study, "search");
  const Reader reader(study, table, "search", "[search]");
  Search search;
  search.learning_rates = reader.rates("learning_rates");
  search.halving = reader->choice("method", "grid", {"grid", "halving"}) == "halving";
  // The smallest is the cheapest; 0 is all examples, the largest.
  for (const ConfigNode& size : study.sizes)
    if (whole(search.size) == 0 || (whole(size) > 0 && whole(size) < whole(search.size))) search.size = size;
  if (const ConfigNode* size = reader.find("size"); size != nullptr && reader->integer("size", 0, 0) >= 0)
    search.size = *size;
  if (const ConfigNode* epochs = reader.find("epochs"); epochs != nullptr) {
    if (reader->number("epochs", 1, 0) <= 0) reader.problem("epochs", "must be more than 0, got 0");
    search.epochs = *epochs;
  }
  if (const ConfigNode* steps = reader.find("steps"); steps != nullptr) {
    reader->integer("steps", 1, 1);
    if (search.epochs) reader.problem("steps", "is given together with epochs; keep one of the two");
    search.steps = *steps;
  }
  const std::vector<int64_t> first(study.seeds.begin(), study.seeds.begin() + (study.seeds.empty() ? 0 : 1));
  search.seeds = reader->has("seeds") ? as_whole(reader.whole_numbers("seeds", {}, 0)) : first;
  if (const ConfigNode* metric = reader.find("metric"); metric != nullptr) {
    reader->string("metric", "auto");
    search.metric = *metric;
  }
  reader.done();
  study.search = search;
}

/// The rate that a table of [train] sets, or nullptr.
const ConfigNode* rate_in(const ConfigNode::Table& tables) {
  for (const auto& [name, table] : tables)
    if (name == "train" && is_table(table)) return table.find("learning_rate");
  return nullptr;
}

void read_method(Study& study, const ConfigNode& table, const std::string& subject, bool is_source) {
  const Reader reader(study, table, subject, is_source ? "[[source]]" : "[[method]]");
  Method method;
  method.subject = subject;
  method.is_source = is_source;
  method.name = reader.name("name", "");
  if (const ConfigNode* strategy = reader.find("strategy"))
    method.strategy = *strategy;
  else if (!table.find("from"))
    reader.problem("strategy", "is missing; give it a table, or a list of them, as an experiment has");
  if (const ConfigNode* from = reader.find("from"); from != nullptr && !reader->string("from", "").empty())
    method.from = *from;
  for (const std::string& name : kCommon) {
    const ConfigNode* own = reader.find(name);
    if (own == nullptr) continue;
    if (is_table(*own))
      method.overrides.emplace_back(name, *own);
    else
      reader.problem(name, "must be a table, got " + experiment::write_toml_value(*own));
  }
  method.rates = reader.rates("learning_rates");
  method.seeds = study.seeds, method.sizes = study.sizes;
  if (!is_source) {
    method.seeds = as_whole(reader.some_of("seeds", as_nodes(study.seeds)));
    method.sizes = reader.some_of("sizes", study.sizes);
  }
  if (is_source) method.once = reader->choice("per", "study", {"study", "run"}) == "study";
  const ConfigNode* fixed = rate_in(method.overrides);
  if (fixed != nullptr && reader->has("learning_rates"))
    reader.problem("learning_rates", "is given together with train.learning_rate; keep one of the two");
  if (method.once && method.rates.size() > 1)
    reader.problem("learning_rates", "a source that is trained once has no search; give it train.learning_rate");
  if (method.rates.size() > 1 && !study.search)
    reader.problem("learning_rates", "needs a [search] that says how one is chosen");
  if (method.rates.empty() && fixed == nullptr && study.search && !method.once)
    method.rates = study.search->learning_rates;
  reader.done();
  study.methods.push_back(std::move(method));
}

void read_methods(Study& study, const std::string& table, bool is_source) {
  const ConfigNode* node = study.tables.find(table);
  const auto* list = node != nullptr ? std::get_if<ConfigNode::Array>(&node->value) : nullptr;
  if (node == nullptr && is_source) return;
  if (list == nullptr || list->empty() || !std::ranges::all_of(*list, is_table)) {
    return study.problem(
        table,
        fmt::format("must be a list of tables, [[{}]], {}", table,
                    node == nullptr ? "and there is none" : "got " + experiment::write_toml_value(*node)),
        node != nullptr ? node->line : 0);
  }
  for (size_t i = 0; i < list->size(); ++i)
    read_method(study, (*list)[i], fmt::format("{}[{}]", table, i), is_source);
}

void read_common(Study& study) {
  for (const std::string& name : kCommon)
    if (study.tables.find(name) != nullptr) study.base.emplace_back(name, table_of(study, name));
  for (const auto& [name, node] : std::get<ConfigNode::Table>(study.tables.value)) {
    if (std::ranges::find(kTables, name) != kTables.end()) continue;
    const bool is_experiment = study.tables.find("study") == nullptr && study.tables.find("method") == nullptr;
    const std::string hint = name == "strategy" && is_experiment ? "; this is an experiment: plugtune train; "
                             : name == "strategy"                ? "; each [[method]] has its own; "
                             : name == "run"                     ? "; name and seeds are in [study]; "
                                                                 : did_you_mean(name, kTables);
    study.problem(name,
                  fmt::format("unknown table{}tables of a study: {}",
                              hint.empty()          ? "; "
                              : hint.ends_with(' ') ? hint
                                                    : hint + " ",
                              join(kTables)),
                  node.line);
  }
}

/// A search without anything to choose is a slip: the rates are in another table, or misspelt.
void check_search(Study& study) {
  const auto chooses = [](const Method& method) { return method.rates.size() > 1; };
  if (!study.search || !study.problems.empty() || std::ranges::any_of(study.methods, chooses)) return;
  study.problem("search", "has no rates to choose from; give it, or a [[method]], learning_rates of two or more",
                study.tables.find("search")->line);
}

/// What the runs train on says [study], but for sources that are trained once.
void check_limits(Study& study) {
  const auto check = [&](const std::string& subject, const ConfigNode::Table& tables) {
    for (const auto& [name, table] : tables) {
      const ConfigNode* limit = name == "data" && is_table(table) ? table.find("train_limit") : nullptr;
      if (limit != nullptr) study.problem(subject + "data.train_limit", "is study.sizes in a study", limit->line);
    }
  };
  if (std::ranges::none_of(study.methods, &Method::once)) check("", study.base);
  for (const Method& method : study.methods)
    if (!method.once) check(method.subject + ".", method.overrides);
}

/// Of two that the file gives in one table, `--set` aside, one would win without a word.
void check_lengths(Study& study) {
  const auto check = [&](const std::string& subject, const ConfigNode::Table& tables) {
    for (const auto& [name, table] : tables) {
      if (name != "train" || !is_table(table)) continue;
      const ConfigNode *steps = table.find("steps"), *epochs = table.find("epochs");
      if (steps != nullptr && epochs != nullptr && steps->file.empty() == epochs->file.empty())
        study.problem(subject + "train.steps", "is given together with epochs; keep one of the two", steps->line);
    }
  };
  check("", study.base);
  for (const Method& method : study.methods)
    check(method.subject + ".", method.overrides);
}

}  // namespace

void Study::problem(const std::string& key, const std::string& text, int line) {
  problems.push_back(fmt::format("{}: {} ({}{})", key, text, file, line > 0 ? fmt::format(":{}", line) : ""));
}

void Study::throw_if_problems() const {
  if (!problems.empty()) throw Error(problems);
}

Study study_of(ConfigNode tables, const std::string& file) {
  Study study;
  study.file = file;
  study.tables = std::move(tables);
  const std::string reference = read_settings(study);
  read_common(study);
  read_search(study);
  read_methods(study, "method", /*is_source=*/false);
  read_methods(study, "source", /*is_source=*/true);
  link_methods(study, reference);
  check_search(study);
  check_limits(study);
  check_lengths(study);
  return study;
}

Study read_study(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  ConfigNode tables = experiment::read_toml(path);
  std::vector<std::string> problems;
  for (const std::string& text : overrides) {
    try {
      experiment::apply_override(tables, text);
    } catch (const Error& error) {
      problems.insert(problems.end(), error.problems().begin(), error.problems().end());
    }
  }
  Study study = study_of(std::move(tables), path.string());
  study.problems.insert(study.problems.begin(), problems.begin(), problems.end());
  return study;
}

int64_t whole(const ConfigNode& node) { return std::get<int64_t>(node.value); }

double real(const ConfigNode& node) {
  const auto* number = std::get_if<double>(&node.value);
  return number != nullptr ? *number : static_cast<double>(std::get<int64_t>(node.value));
}

std::string rate_text(double rate) { return experiment::write_toml_value({rate}); }

std::string size_text(int64_t size) { return size == 0 ? "all" : std::to_string(size); }

}  // namespace plugtune::study
