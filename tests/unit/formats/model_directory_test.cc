// model_directory_test.cc - directories are found as the Hugging Face libraries find them, and written as they write them.
#include "formats/model_directory.h"

#include <fmt/format.h>

#include <cstdlib>

#include "formats/safetensors.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

namespace fs = std::filesystem;

/// The Hugging Face settings of the machine, put back afterwards.
class HubSettings {
 public:
  HubSettings() {
    for (const char* name : kNames) {
      const char* value = std::getenv(name);
      before_.emplace_back(name, value == nullptr ? std::optional<std::string>() : value);
      ::unsetenv(name);
    }
  }
  ~HubSettings() {
    for (const auto& [name, value] : before_)
      value ? ::setenv(name, value->c_str(), 1) : ::unsetenv(name);
  }

 private:
  static constexpr const char* kNames[] = {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"};
  std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

TEST(ResolveModel, ADirectoryIsItself) {
  EXPECT_EQ(resolve_model("tests/unit/formats/goldens/tiny"), "tests/unit/formats/goldens/tiny");
}

TEST(ResolveModel, ANameIsItsSnapshotInTheCache) {
  const HubSettings settings;
  const Scratch scratch;
  scratch.file("hub/models--kykim--bert-kor-base/refs/main", "abc123");
  scratch.file("hub/models--kykim--bert-kor-base/snapshots/abc123/config.json", "{}");
  scratch.file("hub/models--bert-base-uncased/refs/main", "def456\n");
  scratch.file("hub/models--bert-base-uncased/snapshots/def456/config.json", "{}");
  ::setenv("HF_HOME", scratch.path().c_str(), 1);
  EXPECT_EQ(resolve_model("kykim/bert-kor-base"), scratch / "hub/models--kykim--bert-kor-base/snapshots/abc123");
  EXPECT_EQ(resolve_model("bert-base-uncased"), scratch / "hub/models--bert-base-uncased/snapshots/def456");
  ::setenv("HF_HOME", "/nowhere", 1);
  ::setenv("HF_HUB_CACHE", (scratch / "hub").c_str(), 1);  // wins
  EXPECT_EQ(resolve_model("kykim/bert-kor-base"), scratch / "hub/models--kykim--bert-kor-base/snapshots/abc123");
}

TEST(ResolveModel, NotFoundListsWhereItLooked) {
  const HubSettings settings;
  const Scratch scratch;
  const std::string here = fs::current_path().string();
  const auto said = [&](const std::string& name) { return error_of(scratch, [&] { resolve_model(name); }); };
  ::setenv("HF_HOME", scratch.path().c_str(), 1);
  const std::string start =
      "model 'org/name': not found. Looked in\n  org/name: no such directory (working directory " + here + ")\n";
  EXPECT_EQ(said("org/name"), start + "  SCRATCH/hub: does not exist (HF_HOME)");
  fs::create_directories(scratch / "hub");
  EXPECT_EQ(said("org/name"), start + "  SCRATCH/hub: is empty (HF_HOME)");
  fs::create_directories(scratch / "hub/models--kykim--bert-kor-base");
  fs::create_directories(scratch / "hub/models--bert-base-uncased");
  EXPECT_EQ(said("org/name"), start + "  SCRATCH/hub: has bert-base-uncased, kykim/bert-kor-base (HF_HOME)");
  fs::create_directories(scratch / "hub/models--org--name");
  EXPECT_EQ(
      said("org/name"),
      start + "  SCRATCH/hub: has models--org--name, but no refs/main in it: its download never finished (HF_HOME)");
  scratch.file("hub/models--org--name/refs/main", "abc");
  EXPECT_EQ(
      said("org/name"),
      start + "  SCRATCH/hub: has models--org--name, but not its snapshot abc: its download never finished (HF_HOME)");
  // Paths are not looked up in the cache.
  EXPECT_EQ(said("./name"),
            "model './name': not found. Looked in\n  ./name: no such directory (working directory " + here + ")");
  EXPECT_EQ(said("a/b/c"),
            "model 'a/b/c': not found. Looked in\n  a/b/c: no such directory (working directory " + here + ")");
  EXPECT_EQ(
      said("README.md/.."),
      "model 'README.md/..': not found. Looked in\n  README.md/..: no such directory (working directory " + here + ")");
  fs::create_directories(scratch / "models/ko-mini");
  for (const char* slip : {"models/ko-mni", "models/ko-mni/"})
    EXPECT_EQ(said((scratch / slip).string()),
              fmt::format("model 'SCRATCH/{0}': not found. Looked in\n  SCRATCH/{0}: no such directory "
                          "(working directory {1}); did you mean 'ko-mini'?",
                          slip, here));
  EXPECT_EQ(said(scratch.file("f", "").string()),
            "model 'SCRATCH/f': not found. Looked in\n  SCRATCH/f: is a file, not a directory (working directory " +
                here + ")");
}

class WrittenDirectory : public ::testing::Test {
 protected:
  BertConfig config = read_bert_config(golden("tiny"));
  BertWeights weights = read_bert_weights(golden("tiny"), config);
  const Scratch scratch;

  std::vector<std::string> keys_written() {
    write_model_directory(scratch / "out", config, weights);
    return SafetensorsFile::open(scratch / "out/model.safetensors").names();
  }
  std::string architecture_written() { return read_bert_config(scratch / "out").original["architectures"][0]; }
};

TEST_F(WrittenDirectory, ReadAndWrittenGivesTransformersOwnFile) {
  scratch.file("vocab.txt", "[PAD]\n[UNK]\n");
  scratch.file("tokenizer_config.json", "{}");
  write_model_directory(scratch / "out", config, weights, tokenizer_files(scratch.path()));
  EXPECT_EQ(bytes_of(scratch / "out/model.safetensors"), bytes_of(golden("tiny/model.safetensors")));
  EXPECT_EQ(bytes_of(scratch / "out/vocab.txt"), "[PAD]\n[UNK]\n");
  EXPECT_TRUE(fs::exists(scratch / "out/tokenizer_config.json"));
  nlohmann::json written = read_bert_config(scratch / "out").original;
  EXPECT_EQ(written["position_embedding_type"], "absolute");
  written.erase("position_embedding_type");  // transformers 5 knows no other and writes none
  EXPECT_EQ(written, config.original);
}

TEST_F(WrittenDirectory, TheClassFollowsFromTheWeights) {
  keys_written();
  EXPECT_EQ(architecture_written(), "BertForSequenceClassification");
  weights.head.clear();
  EXPECT_EQ(keys_written().front(), "embeddings.LayerNorm.bias");
  EXPECT_EQ(architecture_written(), "BertModel");
  weights.pretraining["cls.predictions.bias"] = torch::zeros({20});
  weights.pretraining["cls.predictions.decoder.bias"] = torch::zeros({20});
  weights.pretraining["cls.predictions.decoder.weight"] = torch::zeros({20, 8});
  const auto keys = keys_written();
  EXPECT_EQ(architecture_written(), "BertForMaskedLM");
  EXPECT_EQ(keys.back(), "cls.predictions.bias");
  EXPECT_EQ(std::count(keys.begin(), keys.end(), "bert.pooler.dense.weight"), 0);
  EXPECT_EQ(std::count(keys.begin(), keys.end(), "cls.predictions.decoder.weight"), 0);
  weights.pretraining["cls.seq_relationship.weight"] = torch::zeros({2, 8});
  weights.pretraining.erase("cls.predictions.decoder.bias");
  config.tie_word_embeddings = false;
  const auto untied = keys_written();
  EXPECT_EQ(std::vector<std::string>(untied.end() - 4, untied.end()),
            (std::vector<std::string>{"cls.predictions.bias", "cls.predictions.decoder.bias",
                                      "cls.predictions.decoder.weight", "cls.seq_relationship.weight"}));
  EXPECT_EQ(architecture_written(), "BertForPreTraining");
}

TEST_F(WrittenDirectory, LabelsAndProblemAreTheNewOnes) {
  config.labels = {"점수"};
  config.problem_type = "regression";
  weights.head = {{"classifier.weight", torch::zeros({1, 8})}, {"classifier.bias", torch::zeros({1})}};
  write_model_directory(scratch / "out", config, weights);
  const BertConfig again = read_bert_config(scratch / "out");
  EXPECT_EQ(again.labels, std::vector<std::string>{"점수"});
  EXPECT_EQ(again.problem_type, "regression");
  EXPECT_EQ(read_bert_weights(scratch / "out", again).head.size(), 2u);
}

TEST_F(WrittenDirectory, AMissingFileLeavesNothing) {
  EXPECT_EQ(
      error_of(scratch, [&] { write_model_directory(scratch / "out", config, weights, {scratch / "vocab.txt"}); }),
      "SCRATCH/vocab.txt: not found");
  EXPECT_TRUE(fs::is_empty(scratch.path()));
}

}  // namespace
}  // namespace plugtune::formats
