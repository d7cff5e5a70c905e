// merge_record_test.cc - a merged directory gives its base back bit for bit, and refuses what was changed or damaged.
#include "experiment/merge_record.h"

#include <cstring>

#include "formats/safetensors.h"
#include "unit/experiment/support.h"

namespace plugtune::experiment {
namespace {

using formats::NamedTensors;
using torch::Tensor;

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor left = a.contiguous(), right = b.contiguous();
  return left.scalar_type() == right.scalar_type() && left.sizes() == right.sizes() &&
         (left.nbytes() == 0 || std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0);
}

::testing::AssertionResult same_bits(const NamedTensors& found, const NamedTensors& expected) {
  for (const auto& [name, tensor] : expected) {
    if (!found.contains(name)) return ::testing::AssertionFailure() << name << " is missing";
    if (!same_bits(found.at(name), tensor)) return ::testing::AssertionFailure() << name << " differs";
  }
  if (found.size() != expected.size()) return ::testing::AssertionFailure() << found.size() << " tensors";
  return ::testing::AssertionSuccess();
}

class MergeRecords : public InFolder {
 protected:
  MergeRecords() {
    torch::manual_seed(3);
    write("base/config.json", "{\"the\": \"base's\"}");
    write("base/vocab.txt", "[PAD]\n");
    base = {{"bert.words", torch::randn({5, 4})}, {"bert.query", torch::randn({4, 4})}};
    merged = {
        {"bert.words", base["bert.words"].clone()}, {"bert.query", base["bert.query"] + 1}, {"head", torch::ones({2})}};
  }

  KeptOfBase merge(const NamedTensors& of_base, const NamedTensors& into) const {
    std::filesystem::remove_all("merged");
    formats::AtomicDirectory directory("merged");
    directory.copy("base/vocab.txt", "vocab.txt");
    directory.write("config.json", "{\"the\": \"merged one's\"}");
    formats::OutputFile output = directory.create("model.safetensors");
    formats::write_safetensors(output, into);
    output.close();
    MergeRecord record;
    record.run = "감정";
    record.strategies = {"method 1.0.0"};
    record.base_path = "models/m";
    record.base_fingerprint = "abc";
    const MergeBase all{"base/config.json", {"base/vocab.txt"}, of_base, {{"format", "pt"}}};
    const KeptOfBase kept = write_merge_record(directory, record, all, into);
    directory.commit();
    return kept;
  }
  KeptOfBase merge() const { return merge(base, merged); }
  static MergeBase unmerge() { return read_base_of_merged("merged", read_merge_record("merged")); }
  static std::string said() {
    return error_of([] { unmerge(); });
  }
  /// What is said when `from` in unmerge.json is `to`.
  std::string said_with(const std::string& from, const std::string& to) const {
    merge();
    std::string text = read("merged/unmerge/unmerge.json");
    const size_t at = text.find(from);
    if (at == std::string::npos) return "not in the file: " + from;
    write("merged/unmerge/unmerge.json", text.replace(at, from.size(), to));
    return said();
  }

  NamedTensors base, merged;
};

TEST_F(MergeRecords, KeepsWhatWasChangedAlone) {
  const KeptOfBase kept = merge();
  EXPECT_EQ(kept.kept, 1u);
  EXPECT_EQ(kept.tensors, 2u);
  EXPECT_EQ(kept.bytes, std::filesystem::file_size("merged/unmerge/kept.safetensors"));
  EXPECT_EQ(formats::SafetensorsFile::open("merged/unmerge/kept.safetensors").names(),
            std::vector<std::string>{"bert.query"});
  const MergeRecord record = read_merge_record("merged");
  EXPECT_EQ(record.run, "감정");
  EXPECT_EQ(record.strategies, std::vector<std::string>{"method 1.0.0"});
  EXPECT_EQ(record.base_path, "models/m");
  EXPECT_EQ(record.base_fingerprint, "abc");
  const MergeBase back = unmerge();
  EXPECT_TRUE(same_bits(back.tensors, base));
  EXPECT_EQ(back.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(read(back.config.string()), "{\"the\": \"base's\"}");
  ASSERT_EQ(back.tokenizer.size(), 1u);
  EXPECT_EQ(back.tokenizer.front(), "merged/vocab.txt");
}

TEST_F(MergeRecords, NothingIsKeptWhereNothingChanged) {
  EXPECT_EQ(merge(base, base).kept, 0u);
  EXPECT_TRUE(same_bits(unmerge().tensors, base));
}

TEST_F(MergeRecords, EveryTypeComesBackAsItWas) {
  NamedTensors small;
  for (const auto& [name, tensor] : base) {
    small.emplace(name + ".half", tensor.to(torch::kHalf));
    small.emplace(name + ".bfloat", tensor.to(torch::kBFloat16));
    small.emplace(name + ".double", tensor.to(torch::kDouble) / 3);
  }
  small.emplace("position_ids", torch::arange(7).unsqueeze(0));
  small.emplace("scalar", torch::tensor(2.5));
  small.emplace("nothing", torch::zeros({0, 4}));
  small.emplace("transposed", torch::randn({3, 4}).t());
  NamedTensors wide;
  for (const auto& [name, tensor] : small)
    if (name != "position_ids") wide.emplace("bert." + name, tensor.to(torch::kFloat).contiguous());
  const KeptOfBase kept = merge(small, wide);
  EXPECT_EQ(kept.kept, 3u);  // the doubles, and what no float stands for
  EXPECT_TRUE(same_bits(unmerge().tensors, small));
}

TEST_F(MergeRecords, NumbersThatComparisonsDoNotTellApartKeepTheirBits) {
  const auto floats = [](std::vector<int32_t> bits) { return torch::tensor(bits, torch::kInt32).view(torch::kFloat); };
  const auto smalls = [](std::vector<int16_t> bits, torch::ScalarType type) {
    return torch::tensor(bits, torch::kInt16).view(type);
  };
  // Zeros of both signs, a denormal, infinities, NaNs with payloads.
  base = {{"float", floats({0, INT32_MIN, 1, 0x7f800000, 0x7fc00001, 0x7f800001})},
          {"zero", torch::zeros({6})},
          {"bfloat", smalls({0, INT16_MIN, 1, 0x7f80, 0x7fc1, 0x7f81}, torch::kBFloat16)},
          {"half", smalls({0, INT16_MIN, 1, 0x7c00, 0x7e01, 0x7c01}, torch::kHalf)}};
  merged.clear();
  for (const auto& [name, tensor] : base)
    merged.emplace(name, tensor.to(torch::kFloat));
  merged["zero"] = -torch::zeros({6});
  merge();
  EXPECT_TRUE(same_bits(unmerge().tensors, base));
}

TEST_F(MergeRecords, ATensorThatIsThereTwiceIsKeptOnceOrNotAtAll) {
  base["decoder"] = base["bert.words"].clone();  // tied to what the merge left alone
  base["query.copy"] = base["bert.query"].clone();
  EXPECT_EQ(merge().kept, 1u);
  EXPECT_TRUE(same_bits(unmerge().tensors, base));
}

TEST_F(MergeRecords, ADirectoryWithoutARecordIsRefused) {
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(said(), "merged: not found (working directory " + here + ")");
  std::filesystem::create_directory("merged");
  EXPECT_EQ(said(),
            "merged: has no unmerge/unmerge.json, so the bits of its base are not in it; `plugtune merge --reversible` "
            "keeps them");
  EXPECT_FALSE(has_merge_record("merged"));
}

TEST_F(MergeRecords, WeightsThatWereChangedSinceAreRefusedByName) {
  merge();
  NamedTensors trained = merged;
  for (int layer = 0; layer < 3; ++layer)
    trained.emplace("encoder.layer." + std::to_string(layer) + ".new", torch::zeros({1}));
  trained["bert.query"] = trained["bert.query"] * 2;
  trained.erase("head");
  formats::write_safetensors("merged/model.safetensors", trained);
  EXPECT_EQ(said(),
            "merged: its weights are no longer those that were merged; only they can be unmerged\n"
            "  changed: bert.query\n  missing: head\n  unexpected: encoder.layer.{0-2}.new");
  // The same numbers in another type or shape are other weights.
  trained = merged;
  trained["head"] = trained["head"].to(torch::kHalf);
  formats::write_safetensors("merged/model.safetensors", trained);
  EXPECT_EQ(said(),
            "merged: its weights are no longer those that were merged; only they can be unmerged\n  changed: head");
  trained["head"] = torch::ones({1, 2});
  formats::write_safetensors("merged/model.safetensors", trained);
  EXPECT_EQ(said(),
            "merged: its weights are no longer those that were merged; only they can be unmerged\n  changed: head");
  // Other metadata are not: a library that writes the same tensors again changes nothing.
  formats::write_safetensors("merged/model.safetensors", merged, {{"format", "np"}});
  EXPECT_EQ(said(), "");
}

TEST_F(MergeRecords, FilesThatWereChangedSinceAreToldTogether) {
  merge();
  write("merged/vocab.txt", "[UNK]\n");
  std::filesystem::remove("merged/unmerge/config.json");
  EXPECT_EQ(said(),
            "merged/unmerge/config.json: is missing; it was there when the directory was merged\n"
            "merged/vocab.txt: was changed since the directory was merged");
}

TEST_F(MergeRecords, AKeptFileThatIsCutOrOfAnotherMergeIsRefused) {
  merge();
  const std::string file = "merged/unmerge/kept.safetensors", bytes = read(file);
  for (size_t size = 0; size < bytes.size(); ++size) {
    write(file, bytes.substr(0, size));
    EXPECT_TRUE(said().starts_with(file)) << size;
  }
  for (size_t at = 0; at < bytes.size(); ++at) {  // any bit counts
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write(file, damaged);
    const std::string message = said();
    EXPECT_TRUE(message.starts_with(file)) << at << message;
  }
  formats::write_safetensors(file, {{"bert.query", torch::zeros({4, 4})}});
  EXPECT_EQ(said(), file + ": tensor 'bert.query' is not the one that was kept; the file is damaged");
  formats::write_safetensors(file, {{"other", torch::zeros({4, 4})}});
  EXPECT_EQ(said(), file + ": has no tensor 'bert.query', which unmerge.json expects in it");
  std::filesystem::remove(file);
  EXPECT_EQ(said(), file + ": not found (working directory " + std::filesystem::current_path().string() + ")");
}

TEST_F(MergeRecords, DamageOfTheRecordIsToldByField) {
  const std::string file = "merged/unmerge/unmerge.json", ending = "; the file is damaged or from another version";
  EXPECT_EQ(said_with("\"schema\": 1", "\"schema\": 2"),
            file + ": was written by a newer plugtune (schema 2, this one reads 1); update plugtune");
  EXPECT_EQ(said_with("\"fingerprint\": \"abc\"", "\"fingerprint\": 5"),
            file + ": 'base.fingerprint' must be a string, got a number" + ending);
  EXPECT_EQ(said_with("\"method 1.0.0\"", "7"),
            file + ": 'strategies' must be an array of strings, got a number" + ending);
  EXPECT_EQ(said_with("\"merged\": \"bert.words\"", "\"merged\": \"x\""),
            file + ": 'tensors.bert.words.merged' must be the name of a merged tensor, got a string" + ending);
  EXPECT_EQ(said_with("\"type\": \"F32\"", "\"type\": \"F31\""),
            file + ": 'tensors.bert.words.type' must be one of F32, BF16, F16, got a string" + ending);
  EXPECT_EQ(said_with("\"type\": \"F32\"", "\"type\": \"F16\""),
            file + ": 'tensors.bert.words' is not what 'bert.words' was made of; the file is damaged");
  EXPECT_EQ(said_with("\"vocab.txt\"", "\"../vocab.txt\""),
            file + ": 'files' must be names of files beside the weights, got an object" + ending);
  EXPECT_EQ(said_with("\"config.json\": \"", "\"config.json\": 5, \"x\": \""),
            file + ": 'files.config.json' must be a string, got a number" + ending);
}

}  // namespace
}  // namespace plugtune::experiment
