#pragma once
// support.h - experiments in a folder of their own, which is the working directory: messages show paths as they were
// given.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "experiment/experiment.h"
#include "experiment/settle.h"
#include "plugtune/error.h"
#include "support/temp_folder.h"

namespace plugtune::experiment {

class InFolder : public ::testing::Test {
 protected:
  InFolder() : before_(std::filesystem::current_path()) { std::filesystem::current_path(folder_.path()); }
  ~InFolder() override { std::filesystem::current_path(before_); }

  void write(const std::string& name, const std::string& text) const {
    if (const auto parent = std::filesystem::path(name).parent_path(); !parent.empty())
      std::filesystem::create_directories(parent);
    folder_.write(name, text);
  }
  static std::string read(const std::string& name) {
    std::ifstream file(name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::filesystem::path before_;
  testing::TempFolder folder_;
};

/// What `action` throws as Error; "" when it does not.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The least that an experiment has to say.
inline const char* const kSmallest = "model.path = \"m\"\ndata.plugin = \"reviews\"\nstrategy.plugin = \"method\"\n";

/// Writes experiment.toml into the working directory and reads it.
inline Experiment experiment_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  std::ofstream("experiment.toml") << text;
  return read_experiment("experiment.toml", overrides);
}

}  // namespace plugtune::experiment
