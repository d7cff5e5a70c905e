// config.cc - a table of settings: what was read of it, and every problem, told together. The reads: config_values.cc.
#include "plugtune/config.h"

#include <algorithm>

#include "config_state.h"

namespace plugtune {
inline namespace v1 {

const ConfigNode* ConfigNode::find(const std::string& key) const {
  const Table* table = std::get_if<Table>(&value);
  if (table == nullptr) return nullptr;
  const auto at = std::find_if(table->begin(), table->end(), [&](const auto& entry) { return entry.first == key; });
  return at == table->end() ? nullptr : &at->second;
}

ConfigNode& ConfigNode::set(const std::string& key, ConfigNode node) {
  Table& table = std::get<Table>(value);
  for (auto& [name, existing] : table) {
    if (name == key) return existing = std::move(node);
  }
  return table.emplace_back(key, std::move(node)).second;
}

ConfigView::ConfigView(std::shared_ptr<State> state) : state_(std::move(state)) {}
ConfigView::ConfigView(ConfigNode table, Origin origin) : state_(std::make_shared<State>()) {
  state_->table = std::move(table);
  state_->origin = std::move(origin);
}
ConfigView::ConfigView(ConfigNode table) : ConfigView(std::move(table), Origin{"strategy", "this strategy", "", {}}) {}
ConfigView::~ConfigView() = default;

const ConfigNode* ConfigView::read(const std::string& key) const {
  if (std::find(state_->known.begin(), state_->known.end(), key) == state_->known.end()) state_->known.push_back(key);
  return state_->table.find(key);
}

std::string ConfigView::located(const std::string& key, const std::string& text) const {
  std::string line = state_->origin.subject + "." + key + ": " + text;
  const ConfigNode* node = state_->table.find(key);
  const int at = node != nullptr ? node->line : state_->table.line;
  const std::string& file = node != nullptr && !node->file.empty() ? node->file : state_->origin.file;
  if (file.empty()) return line;
  line.append(" (").append(file);
  if (at > 0) line.append(":").append(std::to_string(at));
  return line.append(")");
}

void ConfigView::problem(const std::string& key, const std::string& text) const {
  State* owner = state_.get();
  while (owner->parent)
    owner = owner->parent.get();
  std::string line = located(key, text);
  // A key that is read twice, as by a method and by its selector, is told once.
  if (std::ranges::find(owner->problems, line) == owner->problems.end()) owner->problems.push_back(std::move(line));
}

Error ConfigView::error(const std::string& key, const std::string& text) const { return Error(located(key, text)); }

bool ConfigView::has(const std::string& key) const { return read(key) != nullptr; }

ConfigView ConfigView::table(const std::string& key) const {
  const auto read_before = std::ranges::find(state_->nested, key, &State::key);
  if (read_before != state_->nested.end()) return ConfigView(*read_before);
  const ConfigNode* node = read(key);
  auto state = std::make_shared<State>();
  state->key = key;
  state->table.value = ConfigNode::Table{};
  if (node != nullptr) {
    if (std::holds_alternative<ConfigNode::Table>(node->value)) {
      state->table = *node;
      state_->resolved.set(key, *node);
    } else {
      problem(key, "must be a table, got " + show(*node));
    }
  }
  state->origin = state_->origin;
  state->origin.subject += "." + key;
  state->parent = state_;
  state_->nested.push_back(state);
  return ConfigView(state);
}

void ConfigView::reject_unknown() const {
  // A nested table that was handed out and never checked is checked with its parent.
  const auto check_nested = [](const auto& self, const State& state) -> void {
    for (const auto& nested : state.nested) {
      for (const auto& [key, node] : std::get<ConfigNode::Table>(nested->table.value)) {
        if (std::find(nested->known.begin(), nested->known.end(), key) != nested->known.end()) continue;
        ConfigView(nested).problem(key, "unknown key" + did_you_mean(key, nested->known));
        nested->known.push_back(key);
      }
      self(self, *nested);
    }
  };
  check_nested(check_nested, *state_);
  if (const auto* table = std::get_if<ConfigNode::Table>(&state_->table.value)) {
    for (const auto& [key, node] : *table) {
      if (std::find(state_->known.begin(), state_->known.end(), key) != state_->known.end()) continue;
      const std::string hint = did_you_mean(key, state_->known);
      problem(key, "unknown key" + (hint.empty() ? "; " : hint + " ") + "keys of " + state_->origin.owner + ": " +
                       join(state_->known));
    }
  }
  if (!state_->problems.empty()) throw Error(state_->problems);
}

const std::vector<std::string>& ConfigView::problems() const { return state_->problems; }
const ConfigNode& ConfigView::resolved() const {
  for (const auto& nested : state_->nested) {
    const ConfigNode& resolved = ConfigView(nested).resolved();
    if (!std::get<ConfigNode::Table>(resolved.value).empty()) state_->resolved.set(nested->key, resolved);
  }
  return state_->resolved;
}

}  // namespace v1
}  // namespace plugtune
