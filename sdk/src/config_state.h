#pragma once
// config_state.h - what a ConfigView shares with its copies; of config.cc and config_values.cc alone.

#include <memory>
#include <string>
#include <vector>

#include "plugtune/config.h"

namespace plugtune {
inline namespace v1 {

struct ConfigView::State {
  ConfigNode table;
  std::string key;  // of a nested table, in its parent
  Origin origin;
  std::vector<std::string> known;  // in the order of reading
  std::vector<std::shared_ptr<State>> nested;
  ConfigNode resolved{ConfigNode::Table{}};
  std::vector<std::string> problems;
  std::shared_ptr<State> parent;  // problems of a nested table belong to its parent
};

/// A value as messages show it.
std::string show(const ConfigNode& node);

template <class T>
T ConfigView::keep(const std::string& key, T value) const {
  state_->resolved.set(key, ConfigNode{value});
  return value;
}

}  // namespace v1
}  // namespace plugtune
