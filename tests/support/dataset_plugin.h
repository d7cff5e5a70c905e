#pragma once
// dataset_plugin.h - makes the dataset of the plugin that a test is linked with, as the host does, and catches what it says.

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugtune/error.h"
#include "plugtune/example_source.h"
#include "plugtune/plugin.h"

extern "C" const plugtune_plugin_v1 plugtune_plugin;

namespace plugtune::testing {

using Settings = std::vector<std::pair<std::string, decltype(ConfigNode::value)>>;

/// The table [data] of "data.toml", its keys in lines 2, 3, ...
inline std::unique_ptr<Dataset> make_dataset(const Settings& settings) {
  ConfigNode table{ConfigNode::Table{}};
  int line = 1;
  table.line = line;
  for (const auto& [key, value] : settings) {
    ConfigNode node{value};
    node.line = ++line;
    table.set(key, node);
  }
  const plugtune_item_v1& item = plugtune_plugin.items[0];
  ConfigView view(table, {"data", std::string("dataset '") + item.name + "'", "data.toml", {}});
  return std::unique_ptr<Dataset>(item.create_dataset(view));
}

/// What making it throws; "" when it does not.
inline std::string dataset_error(const Settings& settings) {
  try {
    make_dataset(settings);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline std::vector<std::string> texts(const Dataset& dataset, Split split) {
  std::vector<std::string> all;
  for (size_t i = 0; i < dataset.size(split); ++i)
    all.push_back(dataset.at(split, i).text_a);
  return all;
}

/// Of pairs.
inline std::vector<std::string> second_texts(const Dataset& dataset, Split split) {
  std::vector<std::string> all;
  for (size_t i = 0; i < dataset.size(split); ++i)
    all.push_back(dataset.at(split, i).text_b);
  return all;
}

inline std::vector<int64_t> labels(const Dataset& dataset, Split split) {
  std::vector<int64_t> all;
  for (size_t i = 0; i < dataset.size(split); ++i)
    all.push_back(dataset.at(split, i).label);
  return all;
}

/// Of a regression.
inline std::vector<double> scores(const Dataset& dataset, Split split) {
  std::vector<double> all;
  for (size_t i = 0; i < dataset.size(split); ++i)
    all.push_back(dataset.at(split, i).value);
  return all;
}

/// Where the files of the real data sets are; tests that need them skip when it is not set.
#define PLUGTUNE_TEST_DATA_OR_SKIP(folder)                                    \
  const char* test_data_ = std::getenv("PLUGTUNE_TEST_DATA");                 \
  if (test_data_ == nullptr) GTEST_SKIP() << "PLUGTUNE_TEST_DATA is not set"; \
  const std::string folder = test_data_

}  // namespace plugtune::testing
