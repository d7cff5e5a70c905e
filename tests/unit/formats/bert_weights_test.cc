// bert_weights_test.cc - one set of weights out of every form in which people have them; half a model is refused.
#include "formats/bert_weights.h"

#include <functional>

#include "formats/fingerprint.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "unit/formats/support.h"

namespace plugtune::formats {
namespace {

namespace fs = std::filesystem;

/// The tiny model of transformers, read once.
class Weights : public ::testing::Test {
 protected:
  const BertConfig config = read_bert_config(golden("tiny"));
  const BertWeights reference = read_bert_weights(golden("tiny"), config);
  const NamedTensors keys =
      SafetensorsFile::open(golden("tiny/model.safetensors")).tensors();  // by transformers' names
  const Scratch scratch;

  /// What a directory with this one file gives.
  BertWeights read_of(const std::string& file, const NamedTensors& tensors) {
    if (file.ends_with(".safetensors")) {
      write_safetensors(scratch / file, tensors);
    } else {
      write_torch_file(scratch / file, tensors);
    }
    return read_bert_weights(scratch.path(), config);
  }
  std::string said_about(const NamedTensors& tensors) {
    return error_of(scratch, [&] { read_of("model.safetensors", tensors); });
  }
  static void expect_same(const NamedTensors& got, const NamedTensors& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (const auto& [name, tensor] : expected) {
      ASSERT_TRUE(got.contains(name)) << name;
      EXPECT_TRUE(same(got.at(name), tensor)) << name;
    }
  }
  /// Every name through `change`.
  NamedTensors renamed(const std::function<std::string(std::string)>& change) const {
    NamedTensors result;
    for (const auto& [name, tensor] : keys)
      result[change(name)] = tensor;
    return result;
  }
};

TEST_F(Weights, HaveTheNamesOfBertModel) {
  EXPECT_EQ(reference.encoder.size(), encoder_shapes(config).size());
  EXPECT_TRUE(same(reference.encoder.at("encoder.layer.1.attention.self.query.weight"),
                   keys.at("bert.encoder.layer.1.attention.self.query.weight")));
  EXPECT_EQ(reference.head.size(), 2u);
  EXPECT_TRUE(reference.pretraining.empty());
  EXPECT_FALSE(reference.pooler_is_missing);
  EXPECT_EQ(reference.files, std::vector<fs::path>{golden("tiny/model.safetensors")});
}

TEST_F(Weights, ShardsAreOneModel) {
  const BertWeights got = read_bert_weights(golden("tiny_sharded"), config);
  expect_same(got.encoder, reference.encoder);
  expect_same(got.head, reference.head);
  EXPECT_EQ(got.files.size(), 3u);
}

TEST_F(Weights, ATrainingOf2018IsTheSameModel) {
  fs::copy(golden("tiny_2018.bin"),
           scratch / "pytorch_model.bin");  // module., gamma and beta, cls.*, before PyTorch 1.6
  const BertWeights got = read_bert_weights(scratch.path(), config);
  expect_same(got.encoder, reference.encoder);
  EXPECT_TRUE(got.head.empty());
  EXPECT_EQ(got.pretraining.size(), 9u);
  EXPECT_EQ(got.pretraining.at("cls.predictions.decoder.weight").sizes(), torch::IntArrayRef({20, 8}));
  EXPECT_EQ(fingerprint(config, got.encoder), fingerprint(config, reference.encoder));
}

TEST_F(Weights, EveryContainerAndPrefixGivesTheSame) {
  expect_same(read_of("pytorch_model.bin", keys).encoder, reference.encoder);
  const auto without_prefix =
      renamed([](std::string name) { return name.starts_with("bert.") ? name.substr(5) : name; });
  expect_same(read_of("model.safetensors", without_prefix).encoder, reference.encoder);  // wins over pytorch_model.bin
  const auto wrapped = renamed([](const std::string& name) { return "module." + name; });
  expect_same(read_of("model.safetensors", wrapped).encoder, reference.encoder);
}

TEST_F(Weights, ShardsOfPicklesAreRead) {
  NamedTensors first, second;
  std::string map;
  for (const auto& [name, tensor] : keys) {
    const bool goes_first = first.size() < 10;
    (goes_first ? first : second)[name] = tensor;
    map += (map.empty() ? "\"" : ",\"") + name + "\":\"" + (goes_first ? "1.bin" : "2.bin") + "\"";
  }
  write_torch_file(scratch / "1.bin", first);
  write_torch_file(scratch / "2.bin", second);
  scratch.file("pytorch_model.bin.index.json", "{\"metadata\": {}, \"weight_map\": {" + map + "}}");
  expect_same(read_bert_weights(scratch.path(), config).encoder, reference.encoder);
}

TEST_F(Weights, HalfPrecisionIsWidened) {
  NamedTensors halves, floats;
  for (const auto& [name, tensor] : keys)
    halves[name] = tensor.to(name.find("dense") != std::string::npos ? torch::kHalf : torch::kBFloat16);
  for (const auto& [name, tensor] : halves)
    floats[name] = tensor.to(torch::kFloat);
  const BertWeights got = read_of("model.safetensors", halves);
  expect_same(got.encoder, read_of("model.safetensors", floats).encoder);
}

TEST_F(Weights, PositionIdsAndForeignHeadsAreIgnored) {
  NamedTensors more = keys;
  more["bert.embeddings.position_ids"] = torch::arange(10).view({1, 10});
  more["cls.predictions.bias"] = torch::zeros({20});
  more["cls.seq_relationship.weight"] = torch::zeros({3, 8});
  more["classifier.weight"] = torch::zeros({5, 8});
  const BertWeights got = read_of("model.safetensors", more);
  expect_same(got.encoder, reference.encoder);
  EXPECT_TRUE(got.head.empty());
  EXPECT_EQ(got.pretraining.size(), 1u);
  EXPECT_EQ(got.ignored, (std::vector<std::string>{"bert.embeddings.position_ids", "classifier.weight",
                                                   "cls.seq_relationship.weight", "classifier.bias"}));
}

/// A whole masked-LM head as older files have it: decoder and both biases written out.
NamedTensors with_language_head(NamedTensors keys) {
  keys["cls.predictions.transform.dense.weight"] = torch::full({8, 8}, 1.0f);
  keys["cls.predictions.transform.dense.bias"] = torch::full({8}, 2.0f);
  keys["cls.predictions.transform.LayerNorm.gamma"] = torch::full({8}, 3.0f);
  keys["cls.predictions.transform.LayerNorm.beta"] = torch::full({8}, 4.0f);
  keys["cls.predictions.bias"] = torch::full({20}, 5.0f);
  keys["cls.predictions.decoder.bias"] = torch::full({20}, 5.0f);
  keys["cls.predictions.decoder.weight"] = keys.at("bert.embeddings.word_embeddings.weight").clone();
  return keys;
}

TEST_F(Weights, HaveAMaskedLmHeadUnderOneNameInEveryForm) {
  NamedTensors files = with_language_head(keys);
  const NamedTensors head = read_of("model.safetensors", files).language_head("SCRATCH");
  EXPECT_EQ(head.size(), 5u);
  EXPECT_EQ(head.at("cls.predictions.transform.LayerNorm.weight")[0].item<float>(), 3.0f);
  EXPECT_EQ(head.at("cls.predictions.decoder.bias")[0].item<float>(), 5.0f);
  for (const char* tied : {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}) {
    files.erase(tied);  // as transformers 5 writes
    expect_same(read_of("model.safetensors", files).language_head("SCRATCH"), head);
  }
  files["cls.predictions.decoder.bias"] = files.extract("cls.predictions.bias").mapped();
  expect_same(read_of("model.safetensors", files).language_head("SCRATCH"), head);
  files.erase("cls.predictions.transform.dense.bias");
  EXPECT_TRUE(read_of("model.safetensors", files).language_head("SCRATCH").empty()) << "a part of a head is none";
  EXPECT_TRUE(reference.language_head("SCRATCH").empty());
}

TEST_F(Weights, OfAMaskedLmHeadThatIsNotTiedAreRefused) {
  NamedTensors files = with_language_head(keys);
  files["cls.predictions.decoder.weight"] += 1;
  files["cls.predictions.decoder.bias"] += 1;
  const BertWeights weights = read_of("model.safetensors", files);
  EXPECT_EQ(
      error_of(scratch, [&] { weights.language_head("SCRATCH"); }),
      "SCRATCH: cls.predictions.decoder.weight differs from embeddings.word_embeddings.weight; only masked-LM heads "
      "whose decoder is tied to the word embedding are read\n"
      "SCRATCH: cls.predictions.decoder.bias differs from cls.predictions.bias; only masked-LM heads whose decoder "
      "is tied to the word embedding are read");
}

TEST_F(Weights, OnlyThePoolerMayBeMissing) {
  NamedTensors less = keys;
  less.erase("bert.pooler.dense.weight");
  EXPECT_EQ(
      said_about(less),
      "SCRATCH: the weights are not those of config.json (2 layers, hidden_size 8)\n  missing: pooler.dense.weight");
  less.erase("bert.pooler.dense.bias");
  const BertWeights got = read_of("model.safetensors", less);
  EXPECT_TRUE(got.pooler_is_missing);
  EXPECT_EQ(got.encoder.size(), reference.encoder.size() - 2);
}

TEST_F(Weights, EverythingThatDoesNotBelongIsListedOnce) {
  NamedTensors other = keys;
  for (const char* layer : {"0", "1"}) {
    const std::string prefix = std::string("bert.encoder.layer.") + layer;
    other[prefix + ".attention.self.wquery.weight"] = other.extract(prefix + ".attention.self.query.weight").mapped();
  }
  other["bert.encoder.layer.2.output.dense.bias"] = torch::zeros({8});
  other["bert.encoder.layer.3.output.dense.bias"] = torch::zeros({8});
  other["bert.encoder.layer.7.output.dense.bias"] = torch::zeros({8});
  other["qa_outputs.bias"] = torch::zeros({2});
  other["bert.embeddings.word_embeddings.weight"] = torch::zeros({21, 8});
  other["bert.embeddings.LayerNorm.bias"] = torch::zeros({8}, torch::kLong);
  other["pooler.dense.bias"] = torch::zeros({8});
  EXPECT_EQ(said_about(other),
            "SCRATCH: the weights are not those of config.json (2 layers, hidden_size 8)\n"
            "  missing: encoder.layer.{0-1}.attention.self.query.weight\n"
            "  unexpected: bert.encoder.layer.{0-1}.attention.self.wquery.weight\n"
            "  unexpected: bert.encoder.layer.{2-3,7}.output.dense.bias\n"
            "  unexpected: qa_outputs.bias\n"
            "  wrong: embeddings.LayerNorm.bias must have floating-point numbers, got Long\n"
            "  wrong: embeddings.word_embeddings.weight must be (20, 8), got (21, 8)\n"
            "  twice: pooler.dense.bias");
}

TEST_F(Weights, ADirectoryWithoutWeightsSaysWhatItHas) {
  const auto said = [&] { return error_of(scratch, [&] { read_bert_weights(scratch.path(), config); }); };
  const std::string needs =
      "SCRATCH: has no weights: needs model.safetensors or model.safetensors.index.json or pytorch_model.bin or "
      "pytorch_model.bin.index.json; ";
  EXPECT_EQ(said(), needs + "the directory is empty");
  scratch.file("tf_model.h5", "");
  scratch.file("config.json", "");
  EXPECT_EQ(said(), needs + "it has config.json, tf_model.h5 (weights of TensorFlow, Flax and ONNX are not read)");
  EXPECT_EQ(error_of(scratch, [&] { read_bert_weights(scratch / "none", config); }), "SCRATCH/none: not found");
  fs::create_symlink("../../blobs/lost", scratch / "model.safetensors");
  EXPECT_EQ(said(), "SCRATCH/model.safetensors: not found; it is a link to ../../blobs/lost, where nothing is");
}

TEST_F(Weights, ShardsAndTheirIndexMustAgree) {
  const auto said_about_index = [&](const std::string& index) {
    scratch.file("model.safetensors.index.json", index);
    return error_of(scratch, [&] { read_bert_weights(scratch.path(), config); });
  };
  write_safetensors(scratch / "1.safetensors", {{"a", torch::zeros({1})}, {"b", torch::zeros({1})}});
  const std::string index = "SCRATCH/model.safetensors.index.json: ";
  EXPECT_EQ(said_about_index("{}"), index + "must have a weight_map of tensor and file");
  EXPECT_EQ(said_about_index(R"({"weight_map": {"a": 1}})"),
            index + "weight_map 'a' must name a file of this directory, got 1");
  EXPECT_EQ(said_about_index(R"({"weight_map": {"a": "../x.safetensors"}})"),
            index + "weight_map 'a' must name a file of this directory, got \"../x.safetensors\"");
  EXPECT_EQ(said_about_index(R"({"weight_map": {"a": "2.safetensors"}})"), "SCRATCH/2.safetensors: not found");
  EXPECT_EQ(said_about_index(R"({"weight_map": {"a": "1.safetensors"}})"),
            "SCRATCH/1.safetensors: has the tensor 'b', which model.safetensors.index.json does not list; shards of "
            "different models were mixed");
  EXPECT_EQ(said_about_index(R"({"weight_map": {"a": "1.safetensors", "b": "1.safetensors", "c": "1.safetensors"}})"),
            "SCRATCH/1.safetensors: has no tensor 'c', which model.safetensors.index.json expects in it; shards of "
            "different models were mixed");
  write_safetensors(scratch / "2.safetensors", {{"b", torch::zeros({1})}, {"c", torch::zeros({1})}});
  EXPECT_EQ(said_about_index(R"({"weight_map": {"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"}})"),
            "SCRATCH/2.safetensors: has the tensor 'b', which model.safetensors.index.json expects in 1.safetensors; "
            "shards of different models were mixed");
}

TEST(FoldLayers, KeepsOrderAndWhatHasNoLayer) {
  EXPECT_EQ(fold_layers({"a.layer.2.x", "pooler", "a.layer.0.x", "a.layer.1.y", "a.layer.1.x", "a.layer.x"}),
            (std::vector<std::string>{"a.layer.{0-2}.x", "pooler", "a.layer.1.y", "a.layer.x"}));
}

}  // namespace
}  // namespace plugtune::formats
