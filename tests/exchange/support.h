#pragma once
// support.h - every directory in tests/golden that another library saved, and a run made of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "app/foreign.h"
#include "support/golden.h"

namespace plugtune::testing {

/// "lora_qv/peft": a directory below tests/golden, beside the numbers that the library computed with it.
struct ForeignCase {
  std::string name, folder;
  std::filesystem::path directory() const { return std::filesystem::path("tests/golden") / name / folder; }
  /// Set-ups of several adapters lie in "setup".
  std::string format() const { return folder == "setup" ? "adapterhub" : folder; }
};

inline std::vector<ForeignCase> foreign_cases() {
  std::vector<ForeignCase> cases;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(golden_path())) {
    const std::string folder = entry.path().filename().string();
    const bool is_case = entry.is_directory() && (folder == "peft" || folder == "adapterhub" || folder == "setup") &&
                         std::filesystem::exists(entry.path().parent_path() / "golden.safetensors");
    if (is_case) cases.push_back({entry.path().parent_path().lexically_relative(golden_path()).string(), folder});
  }
  std::ranges::sort(cases, {}, [](const ForeignCase& one) { return one.name + "/" + one.folder; });
  return cases;
}

inline plugin::SearchPath shipped_plugins() { return {{}, std::nullopt, PLUGTUNE_BINARY_DIR "/lib/plugtune"}; }

/// What the files call their base is relative to the repository.
class InRepository {
 public:
  InRepository() : before_(std::filesystem::current_path()) { std::filesystem::current_path(PLUGTUNE_SOURCE_DIR); }
  ~InRepository() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_;
};

inline app::ImportedRun import_case(const ForeignCase& one) {
  app::ImportOptions options;
  options.directory = one.directory().string();
  options.run = "golden";
  return app::import_foreign(options, shipped_plugins());
}

/// Of batch "a". Gates read a whole batch in the library, so such cases were recorded sequence by sequence; here it is the same.
inline Tensor logits_of(app::Session& session, const Golden& golden) {
  torch::NoGradGuard no_grad;
  return session.model().forward(golden.input("a"));
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace plugtune::testing
