// round_trip_test.cc - files that the real libraries made: the same logits here, and the same files when they leave again.
#include <gtest/gtest.h>

#include "app/commands.h"
#include "exchange/compose.h"
#include "exchange/support.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "support/temp_folder.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;
using testing::ForeignCase;

formats::NamedTensors tensors_of(const fs::path& file) {
  return file.extension() == ".bin" ? formats::read_torch_file(file) : formats::SafetensorsFile::open(file).tensors();
}

/// Copies that the libraries write beside the tensor itself and load without: a prefix's in its pool, a head's in its wrapper.
bool is_duplicate(const std::string& name) {
  return name.find(".pool.") != std::string::npos || name.find(".modules_to_save.") != std::string::npos ||
         name.find(".original_module.") != std::string::npos;
}

formats::NamedTensors without_duplicates(const fs::path& file) {
  formats::NamedTensors tensors = tensors_of(file);
  std::erase_if(tensors, [](const auto& entry) { return is_duplicate(entry.first); });
  return tensors;
}

::testing::AssertionResult same_tensors(const fs::path& ours, const fs::path& theirs) {
  const formats::NamedTensors left = tensors_of(ours), right = without_duplicates(theirs);
  for (const auto& [name, tensor] : right) {
    if (!left.contains(name)) return ::testing::AssertionFailure() << "lacks " << name;
    if (left.at(name).scalar_type() != tensor.scalar_type() || !torch::equal(left.at(name), tensor))
      return ::testing::AssertionFailure() << name << " differs";
  }
  for (const auto& [name, tensor] : left)
    if (!right.contains(name)) return ::testing::AssertionFailure() << "has " << name << " too";
  return ::testing::AssertionSuccess();
}

/// Modules can be named in many ways ("dense", a regular expression, full paths): which ones are meant shows in the tensors.
nlohmann::json without_spellings(const fs::path& file) {
  nlohmann::json json = nlohmann::json::parse(testing::read_bytes(file));
  for (const char* key : {"target_modules", "feedforward_modules", "exclude_modules", "layers_to_transform",
                          "layers_pattern", "modules_to_save", "rank_pattern", "alpha_pattern"})
    json.erase(key);
  return json;
}

::testing::AssertionResult same_config(const fs::path& ours, const fs::path& theirs) {
  if (testing::read_bytes(ours) == testing::read_bytes(theirs)) return ::testing::AssertionSuccess();
  const nlohmann::json difference = nlohmann::json::diff(without_spellings(theirs), without_spellings(ours));
  if (difference.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << difference.dump(2);
}

/// Started from a changed base (PiSSA, OLoRA): taken over as a LoRA of twice the rank on the base itself, and leaves as one.
bool is_converted(const exchange::ForeignFiles& files) {
  const ConfigNode* init = files.adapters.front().config.find("init_lora_weights");
  const auto* name = init == nullptr ? nullptr : std::get_if<std::string>(&init->value);
  return name != nullptr && *name != "gaussian";
}

class RoundTrip : public ::testing::TestWithParam<ForeignCase> {
 protected:
  /// Every file of the library is there with the same contents: bytes where the container has one form.
  static void compare(const fs::path& ours, const fs::path& theirs, bool safetensors, bool is_fusion) {
    for (const auto& entry : fs::recursive_directory_iterator(theirs)) {
      if (!entry.is_regular_file()) continue;
      const std::string file = entry.path().lexically_relative(theirs).string();
      // We call a fusion's head as the fusion, the library lets a person choose.
      if (is_fusion && file.find("head") != std::string::npos) continue;
      const std::string extension = entry.path().extension();
      if (extension == ".json") {
        EXPECT_TRUE(same_config(ours / file, entry.path())) << file;
      } else if (!fs::exists(ours / file)) {
        EXPECT_NE(safetensors, extension == ".safetensors") << file << " was not written";
      } else {
        EXPECT_TRUE(same_tensors(ours / file, entry.path())) << file;
        const bool has_one_form =
            extension == ".safetensors" && without_duplicates(entry.path()).size() == tensors_of(entry.path()).size();
        EXPECT_TRUE(!has_one_form || testing::read_bytes(ours / file) == testing::read_bytes(entry.path())) << file;
      }
    }
  }

  testing::InRepository in_repository_;
  testing::TempFolder folder_;
};

TEST_P(RoundTrip, GivesTheLibrarysLogits) {
  const testing::Golden golden(GetParam().name);
  ImportedRun run = testing::import_case(GetParam());
  EXPECT_TRUE(near_golden(golden, "logits", testing::logits_of(run.session, golden)));
}

TEST_P(RoundTrip, IsARunLikeAnyOther) {
  const testing::Golden golden(GetParam().name);
  const fs::path path = fs::path(folder_.path()) / "run";
  ::testing::internal::CaptureStdout();
  const int code = run({"import", GetParam().directory().string(), "--output", path.string(), "--plugin-path",
                        PLUGTUNE_BINARY_DIR "/lib/plugtune"});
  ::testing::internal::GetCapturedStdout();
  ASSERT_EQ(code, kDone);
  Session session = open_run(path.string(), testing::shipped_plugins());
  ImportedRun imported = testing::import_case(GetParam());
  EXPECT_TRUE(torch::equal(testing::logits_of(session, golden), testing::logits_of(imported.session, golden)));
}

TEST_P(RoundTrip, LeavesAsItCame) {
  const fs::path theirs = GetParam().directory();
  const ImportedRun imported = testing::import_case(GetParam());
  const exchange::ForeignFiles files = exchange::read_foreign(theirs);
  // Of a stack the uppermost is named; those below get names of ours, and what the library does not use of them is gone.
  const bool is_stack = exchange::layers_of(files.adapters).size() > 1;
  const exchange::ForeignFiles leaving =
      export_foreign(imported.session, GetParam().format(), files.adapters.back().name, files.base);
  if (is_converted(files) || is_stack) return;
  for (const bool safetensors : {false, true}) {
    const fs::path ours = fs::path(folder_.path()) / (safetensors ? "safetensors" : "bin");
    exchange::write_foreign(ours, leaving, safetensors);
    compare(ours, theirs, safetensors, !leaving.adapters.front().members.empty());
  }
}

/// The library saves the invertible adapters of a stack's upper adapters and never uses them.
TEST(ImportOnly, AStacksUnusedInvertibleAdapterIsLeftOutWithANote) {
  const testing::InRepository in_repository;
  const testing::Golden golden("stack_inv_above");
  ImportedRun run = testing::import_case({"stack_inv_above", "import_only"});
  EXPECT_TRUE(near_golden(golden, "logits", testing::logits_of(run.session, golden)));
  ASSERT_FALSE(run.notes.empty());
  EXPECT_EQ(run.notes.front(),
            "the invertible adapter of 'b' is left out: AdapterHub's library uses that of the first adapter of a stack "
            "alone");
}

INSTANTIATE_TEST_SUITE_P(Golden, RoundTrip, ::testing::ValuesIn(testing::foreign_cases()), [](const auto& info) {
  std::string name = info.param.name + "_" + info.param.folder;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

/// The library saves the head of transformers' own class without a `config`.
TEST(Import, TakesTheHeadOfABertForSequenceClassification) {
  const testing::InRepository in_repository;
  const testing::TempFolder folder;
  const fs::path directory = fs::path(folder.path()) / "theirs";
  fs::copy(testing::golden_path() / "adapter_pfeiffer/adapterhub", directory, fs::copy_options::recursive);
  std::ofstream(directory / "head_config.json")
      << R"({"config": null, "hidden_size": 32, "label2id": {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2},
             "model_class": "BertForSequenceClassification", "model_type": "bert", "name": null, "num_labels": 3})";
  formats::NamedTensors head;
  for (const auto& [name, tensor] : tensors_of(directory / "model_head.safetensors"))
    head.emplace("classifier" + name.substr(name.rfind('.')), tensor.clone());
  formats::write_safetensors(directory / "model_head.safetensors", head);

  ImportedRun flexible = testing::import_case({"adapter_pfeiffer", "adapterhub"});
  ImportedRun fixed =
      import_foreign({.directory = directory.string(), .model = "", .run = "fixed"}, testing::shipped_plugins());
  const auto golden = testing::Golden("adapter_pfeiffer");
  EXPECT_TRUE(torch::equal(testing::logits_of(fixed.session, golden), testing::logits_of(flexible.session, golden)));
}

/// adapters before 1.1.0 trained without alpha / r, and 1.3 loads their files so.
TEST(Import, TakesTheScaleThatAnOldFileWasTrainedWith) {
  const testing::InRepository in_repository;
  const auto adapter_of = [](const std::string& name, const std::string& version) {
    const testing::TempFolder folder;
    const fs::path directory = fs::path(folder.path()) / "theirs";
    fs::copy(testing::golden_path() / name / "adapterhub", directory, fs::copy_options::recursive);
    nlohmann::json config = nlohmann::json::parse(testing::read_bytes(directory / "adapter_config.json"));
    config["version"] = version;
    config["config"]["alpha"] = 16;
    std::ofstream(directory / "adapter_config.json") << config;
    return exchange::read_foreign(directory).adapters.front();
  };
  const ForeignAdapter old = adapter_of("lora_hub_qkv", "adapters.1.0.1");
  EXPECT_EQ(std::get<double>(old.config.find("alpha")->value), 4);
  EXPECT_EQ(
      join(old.notes),
      "adapters before 1.1.0 trained without the scale alpha / r (this file is of adapters.1.0.1): alpha is taken as "
      "4 instead of 16");
  EXPECT_EQ(std::get<double>(adapter_of("ia3_adapters", "adapters.1.0.1").config.find("alpha")->value), 1);
  for (const char* right : {"adapters.1.1.0", "adapters.2.0.0", "3.1.0"}) {
    const ForeignAdapter later = adapter_of("lora_hub_qkv", right);
    EXPECT_EQ(std::get<int64_t>(later.config.find("alpha")->value), 16) << right;
    EXPECT_TRUE(later.notes.empty());
  }
}

/// peft takes the first pattern of the file that matches, whatever its place in the alphabet.
TEST(Import, TakesPatternsInTheOrderOfTheFile) {
  const testing::InRepository in_repository;
  const auto golden = testing::Golden("lora_qv");
  const auto logits_with = [&](const std::string& patterns) {
    const testing::TempFolder folder;
    const fs::path directory = fs::path(folder.path()) / "theirs";
    fs::copy(testing::golden_path() / "lora_qv/peft", directory);
    nlohmann::ordered_json config =
        nlohmann::ordered_json::parse(testing::read_bytes(directory / "adapter_config.json"));
    config["alpha_pattern"] = nlohmann::ordered_json::parse(patterns);
    std::ofstream(directory / "adapter_config.json") << config;
    ImportedRun run =
        import_foreign({.directory = directory.string(), .model = "", .run = "ordered"}, testing::shipped_plugins());
    return testing::logits_of(run.session, golden);
  };
  const std::string value = R"("value": 64)", both = R"("[qv].*": 2)";
  EXPECT_TRUE(torch::equal(logits_with("{" + value + ", " + both + "}"), logits_with(R"({"query": 2, "value": 64})")));
  EXPECT_TRUE(torch::equal(logits_with("{" + both + ", " + value + "}"), logits_with(R"({"query": 2, "value": 2})")));
}

}  // namespace
}  // namespace plugtune::app
