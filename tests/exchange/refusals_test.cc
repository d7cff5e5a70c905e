// refusals_test.cc - foreign directories that are damaged, dishonest or of something else: each is refused with its reason, and no run
// is made of it.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "app/commands.h"
#include "exchange/support.h"
#include "formats/safetensors.h"
#include "formats/torch_pickle.h"
#include "support/temp_folder.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

void edit_json(const fs::path& file, const std::function<void(json&)>& edit) {
  json content = json::parse(testing::read_bytes(file));
  edit(content);
  std::ofstream(file) << content.dump(2);
}

void edit_tensors(const fs::path& file, const std::function<void(formats::NamedTensors&)>& edit) {
  formats::NamedTensors tensors;
  for (const auto& [name, tensor] : formats::SafetensorsFile::open(file).tensors())
    tensors.emplace(name, tensor.clone());
  edit(tensors);
  formats::write_safetensors(file, tensors);
}

struct Refusal {
  std::string name, golden;
  std::function<void(const fs::path&)> damage;
  std::string message;  ///< DIR stands for the directory, HERE for the working directory
  std::vector<std::string> options = {};
};

const std::string kQuery = "base_model.model.bert.encoder.layer.0.attention.self.query.";

std::vector<Refusal> refusals() {
  const auto peft_config = [](const std::function<void(json&)>& edit) {
    return [edit](const fs::path& directory) { edit_json(directory / "adapter_config.json", edit); };
  };
  const auto peft_tensors = [](const std::function<void(formats::NamedTensors&)>& edit) {
    return [edit](const fs::path& directory) { edit_tensors(directory / "adapter_model.safetensors", edit); };
  };
  const auto checkpoint = [](const std::function<void(json&)>& edit) {
    return [edit](const fs::path& directory) { edit_json(directory / "config.json", edit); };
  };
  const std::string peft = "lora_qv/peft", hub = "adapter_pfeiffer/adapterhub", fusion = "fusion_dynamic/adapterhub";
  return {
      {"Empty", peft,
       [](const fs::path& d) {
         fs::remove_all(d);
         fs::create_directory(d);
       },
       "DIR: is of no library that is known here; expected adapter_config.json (peft or AdapterHub), "
       "adapter_fusion_config.json, adapter_setup.json or head_config.json (AdapterHub), or config.json "
       "(Hugging Face)"},
      {"NoWeights", peft, [](const fs::path& d) { fs::remove(d / "adapter_model.safetensors"); },
       "DIR: has no weights; expected adapter_model.safetensors or adapter_model.bin"},
      {"CutOff", peft, [](const fs::path& d) { fs::resize_file(d / "adapter_model.safetensors", 3000); },
       "DIR/adapter_model.safetensors: tensor "
       "'base_model.model.bert.encoder.layer.0.attention.self.value.lora_B.weight' ends at byte 3,336 but "
       "the file has 3,000; it is cut off, copy it again"},
      {"CutOffInAHadamardProduct", "loha_peft/peft",
       [](const fs::path& d) { fs::resize_file(d / "adapter_model.safetensors", 9000); },
       "DIR/adapter_model.safetensors: tensor 'base_model.model.bert.encoder.layer.0.intermediate.dense.hada_w2_a' "
       "ends "
       "at byte 9,976 but the file has 9,000; it is cut off, copy it again"},
      {"CutOffInAnIntervention", "reft_loreft/adapterhub",
       [](const fs::path& d) { fs::resize_file(d / "adapter.safetensors", 8000); },
       "DIR/adapter.safetensors: tensor "
       "'bert.encoder.layer.0.reft_layer.refts.golden.units.1.projection.parametrizations."
       "weight.0.base' ends at byte 12,096 but the file has 8,000; it is cut off, copy it again"},
      {"SharedMatricesMissing", "vera_peft/peft",
       peft_tensors([](formats::NamedTensors& t) { t.erase("base_model.vera_A"); }), "DIR: tensor 'vera_A' is missing"},
      {"SharedMatricesThatNobodyAskedFor", "vera_peft/peft", peft_config([](json& c) { c["save_projection"] = false; }),
       "DIR: 2 tensors are no part of this method: vera_A, vera_B; the file is not what its configuration says"},
      {"UnusedUnitMissing", "reft_first/adapterhub",
       [](const fs::path& d) {
         edit_tensors(d / "adapter.safetensors", [](formats::NamedTensors& t) {
           t.erase("bert.encoder.layer.1.reft_layer.refts.golden.units.1.learned_source.bias");
         });
       },
       "DIR: tensor 'encoder.layer.1.reft_layer.refts.golden.units.1.learned_source.bias' is missing"},
      {"NoJson", peft, [](const fs::path& d) { std::ofstream(d / "adapter_config.json") << "{\"peft_type\": "; },
       "DIR/adapter_config.json: is not JSON: value - unexpected end of input; expected '[', '{', or a "
       "literal (line 1, column 15)"},
      {"JsonIsAList", peft, [](const fs::path& d) { std::ofstream(d / "adapter_config.json") << "[1]"; },
       "DIR/adapter_config.json: must be a JSON object, got array"},
      {"KeyTwice", peft,
       [](const fs::path& d) {
         std::ofstream(d / "adapter_config.json") << R"({"peft_type": "LORA", "peft_type": "IA3"})";
       },
       "DIR/adapter_config.json: has the key 'peft_type' twice"},
      {"MethodOfTheFuture", peft, peft_config([](json& c) { c["peft_type"] = "HYPERLORA"; }),
       "DIR: no strategy reads peft_type HYPERLORA of peft; strategies that convert: adapter, "
       "adapterfusion, bitfit, full, head, ia3, loha, lora, prefix, prompt, reft, vera"},
      {"SettingOfTheFuture", peft, peft_config([](json& c) { c["use_quantum"] = true; }),
       "adapter_config.json.use_quantum: is true, a setting that is not known here; the file would be read "
       "as something else than it is"},
      {"OtherRevisionOfTheBase", peft, peft_config([](json& c) { c["revision"] = "v2"; }),
       "DIR: belongs to revision 'v2' of 'tests/golden/tiny'; name the directory of that base with --model BASE"},
      {"TaskOfOneOutput",
       peft,
       [](const fs::path&) {},
       "--task: a regression has one output, the head in DIR has 3",
       {"--task", "regression"}},
      {"TaskThatIsNone",
       peft,
       [](const fs::path&) {},
       "--task: must be one of classification, multi-label, regression, got 'tagging'",
       {"--task", "tagging"}},
      {"ExpressionOfABracketAfterAnother", peft,
       peft_config([](json& c) { c["exclude_modules"] = std::string(16'000, '(') + std::string(16'000, ')'); }),
       "adapter_config.json.exclude_modules: '" + std::string(200, '(') +
           "...' is a regular expression that only Python reads"},
      {"RankBeyondAnyMemory", "lora_layers/peft", peft_config([](json& c) { c["r"] = 1'000'000'000'000; }),
       "DIR: tensor 'encoder.layer.1.attention.self.query.lora_A.weight' has shape (4, 32), it must be (1000000000000, "
       "32)\n"
       "DIR: tensor 'encoder.layer.1.attention.self.query.lora_B.weight' has shape (32, 4), it must be (32, "
       "1000000000000)\n"
       "DIR: tensor 'encoder.layer.1.intermediate.dense.lora_A.weight' has shape (4, 32), it must be (1000000000000, "
       "32)\n"
       "DIR: tensor 'encoder.layer.1.intermediate.dense.lora_B.weight' has shape (64, 4), it must be (64, "
       "1000000000000)\n"
       "DIR: tensor 'encoder.layer.1.output.dense.lora_A.weight' has shape (4, 64), it must be (1000000000000, 64)\n"
       "DIR: tensor 'encoder.layer.1.output.dense.lora_B.weight' has shape (32, 4), it must be (32, 1000000000000)"},
      {"HeadOfTokens", "tiny", checkpoint([](json& c) { c["architectures"] = {"BertForTokenClassification"}; }),
       "DIR: is a BertForTokenClassification, whose head is not for whole texts; expected "
       "BertForSequenceClassification"},
      {"SeveralNumbers", "tiny", checkpoint([](json& c) { c["problem_type"] = "regression"; }),
       "DIR: is a regression of 3 numbers; one can be taken over"},
      {"OtherActivationThanItsBase",
       "tiny",
       checkpoint([](json& c) { c["hidden_act"] = "relu"; }),
       "DIR: has hidden_act = relu, tests/golden/tiny has gelu; it cannot be computed on that base",
       {"--model", "tests/golden/tiny"}},
      {"RankThatIsNotTheFiles", peft, peft_config([](json& c) { c["r"] = 8; }),
       "DIR: tensor 'encoder.layer.0.attention.self.query.lora_A.weight' has shape (4, 32), it must be (8, "
       "32)\n"
       "DIR: tensor 'encoder.layer.0.attention.self.query.lora_B.weight' has shape (32, 4), it must be (32, "
       "8)\n"
       "DIR: tensor 'encoder.layer.0.attention.self.value.lora_A.weight' has shape (4, 32), it must be (8, "
       "32)\n"
       "DIR: tensor 'encoder.layer.0.attention.self.value.lora_B.weight' has shape (32, 4), it must be (32, "
       "8)\n"
       "DIR: tensor 'encoder.layer.1.attention.self.query.lora_A.weight' has shape (4, 32), it must be (8, "
       "32)\n"
       "DIR: tensor 'encoder.layer.1.attention.self.query.lora_B.weight' has shape (32, 4), it must be (32, "
       "8)\n"
       "DIR: tensor 'encoder.layer.1.attention.self.value.lora_A.weight' has shape (4, 32), it must be (8, "
       "32)\n"
       "DIR: tensor 'encoder.layer.1.attention.self.value.lora_B.weight' has shape (32, 4), it must be (32, "
       "8)"},
      {"RankThatIsNoNumber", peft, peft_config([](json& c) { c["r"] = "four"; }),
       "adapter_config.json.r: must be a whole number, got \"four\""},
      {"TargetThatIsNotThere", peft, peft_config([](json& c) {
         c["target_modules"] = {"query", "nowhere"};
       }),
       "DIR: 4 tensors are no part of this method: encoder.layer.{0-1}.attention.self.value.lora_A.weight, "
       "encoder.layer.{0-1}.attention.self.value.lora_B.weight; the file is not what its configuration says"},
      {"OtherTask", peft, peft_config([](json& c) { c["task_type"] = "CAUSAL_LM"; }),
       "DIR/adapter_config.json: has task_type CAUSAL_LM; only SEQ_CLS and FEATURE_EXTRACTION are for "
       "encoders with one head"},
      {"SavesAnEmbedding", peft, peft_config([](json& c) {
         c["modules_to_save"] = {"classifier", "word_embeddings"};
       }),
       "DIR/adapter_config.json: 'modules_to_save' names 'word_embeddings'; only the classifier and the "
       "pooler can be taken over"},
      {"BaseThatIsNotThere", peft, peft_config([](json& c) { c["base_model_name_or_path"] = "no/such-model"; }),
       "DIR: calls its base model 'no/such-model', which was not found; name it with --model BASE. Looked in\n"
       "  no/such-model: no such directory (working directory HERE)\n"
       "  /nowhere: does not exist (HF_HUB_CACHE)"},
      {"LayerMissing", peft, peft_tensors([](formats::NamedTensors& t) {
         std::erase_if(t, [](const auto& e) { return e.first.find("layer.1") != std::string::npos; });
       }),
       "DIR: tensor 'encoder.layer.1.attention.self.query.lora_A.weight' is missing\n"
       "DIR: tensor 'encoder.layer.1.attention.self.query.lora_B.weight' is missing\n"
       "DIR: tensor 'encoder.layer.1.attention.self.value.lora_A.weight' is missing\n"
       "DIR: tensor 'encoder.layer.1.attention.self.value.lora_B.weight' is missing"},
      {"HalfOfAPair", peft, peft_tensors([](formats::NamedTensors& t) { t.erase(kQuery + "lora_B.weight"); }),
       "DIR: tensor 'encoder.layer.0.attention.self.query.lora_B.weight' is missing"},
      {"TensorTooMany", peft, peft_tensors([](formats::NamedTensors& t) {
         t.emplace(kQuery + "lora_C.weight", torch::zeros({4, 4}));
       }),
       "DIR: 1 tensor is no part of this method: encoder.layer.0.attention.self.query.lora_C.weight; the "
       "file is not what its configuration says"},
      {"TensorOfAnotherModel", peft,
       peft_tensors([](formats::NamedTensors& t) { t.emplace("transformer.h.0.attn", torch::zeros({4})); }),
       "DIR/adapter_model.safetensors: tensor 'transformer.h.0.attn' does not begin with 'base_model.model.'"},
      {"WrongShape", peft, peft_tensors([](formats::NamedTensors& t) {
         t[kQuery + "lora_A.weight"] = torch::zeros({4, 64});
       }),
       "DIR: tensor 'encoder.layer.0.attention.self.query.lora_A.weight' has shape (4, 64), it must be (4, "
       "32)"},
      {"HeadMissing", peft, peft_tensors([](formats::NamedTensors& t) {
         std::erase_if(t, [](const auto& e) { return e.first.find("classifier") != std::string::npos; });
       }),
       "DIR/adapter_config.json: has task_type SEQ_CLS, but DIR/adapter_model.safetensors has no "
       "'classifier.weight'"},
      {"HeadWithoutBias", peft,
       peft_tensors([](formats::NamedTensors& t) { t.erase("base_model.model.classifier.bias"); }),
       "DIR/adapter_model.safetensors: has 'classifier.weight' of the head, but no 'classifier.bias'"},
      {"LabelsThatDoNotFit",
       peft,
       [](const fs::path&) {},
       "--labels: must name 3 labels, the outputs of the head in DIR, got 2",
       {"--labels", "good,bad"}},
      {"OtherHiddenSize", peft, peft_tensors([](formats::NamedTensors& t) {
         for (auto& [name, tensor] : t)  // LoRA of rank 4, and its head
           tensor = torch::zeros(tensor.size(0) == 32 ? std::vector<int64_t>{48, 4}
                                 : tensor.dim() == 2  ? std::vector<int64_t>{tensor.size(0), 48}
                                                      : tensor.sizes().vec());
       }),
       "DIR: belongs to a model with hidden size 48, and the base has 32; name its own base with --model"},
      {"OtherHiddenSizeAndMoreLayers", peft, peft_tensors([](formats::NamedTensors& t) {
         formats::NamedTensors of_other;
         for (const auto& [name, tensor] : t) {
           const Tensor other = torch::zeros(tensor.size(0) == 32 ? std::vector<int64_t>{48, 4}
                                             : tensor.dim() == 2  ? std::vector<int64_t>{tensor.size(0), 48}
                                                                  : tensor.sizes().vec());
           of_other.emplace(name, other);
           if (const size_t at = name.find("layer.1."); at != std::string::npos)
             of_other.emplace(std::string(name).replace(at, 8, "layer.2."), other);
         }
         t = of_other;
       }),
       "DIR: belongs to a model with hidden size 48 and 3 layers, and the base has 32 and 2; name its own base with "
       "--model"},
      {"MoreLayers", peft, peft_tensors([](formats::NamedTensors& t) {
         const formats::NamedTensors own = t;
         for (const auto& [name, tensor] : own)
           if (const size_t at = name.find("layer.1."); at != std::string::npos)
             t.emplace(std::string(name).replace(at, 8, "layer.2."), tensor);
       }),
       "DIR: belongs to a model with 3 layers, and the base has 2; name its own base with --model"},
      {"OtherBaseSize", hub, peft_config([](json& c) { c["hidden_size"] = 768; }),
       "DIR: was made for a model of hidden size 768, tests/golden/tiny has 32; it belongs to another base"},
      {"OtherKindOfModel", hub, peft_config([](json& c) { c["model_type"] = "gpt2"; }),
       "DIR/adapter_config.json: is for models of type gpt2, not for BERT"},
      {"ConfigIsANumber", hub, peft_config([](json& c) { c["config"] = 7; }),
       "DIR/adapter_config.json: 'config' must be the object with the adapter's settings"},
      {"PhmOfAnotherKind", hub, peft_config([](json& c) {
         c["config"]["phm_layer"] = true;
         c["config"]["factorized_phm_W"] = false;
       }),
       "DIR: config.factorized_phm_W: must be true, the only form of PHM layers that is known here "
       "(Compacter's), got false"},
      {"HeadOfManyLayers", hub,
       [](const fs::path& d) { edit_json(d / "head_config.json", [](json& c) { c["config"]["layers"] = 3; }); },
       "DIR/head_config.json: a head of 3 layers with the pooler is not one that is known here; expected "
       "one layer with use_pooler, or two without"},
      {"LabelsWithAHole", hub,
       [](const fs::path& d) {
         edit_json(d / "head_config.json", [](json& c) { c["config"]["label2id"] = {{"a", 0}, {"b", 1}, {"c", 5}}; });
       },
       "DIR/head_config.json: 'label2id' must give 3 labels the numbers 0 to 2, got "
       "{\"a\":0,\"b\":1,\"c\":5}"},
      {"HeadOfOtherName", hub,
       [](const fs::path& d) { edit_json(d / "head_config.json", [](json& c) { c["name"] = "other"; }); },
       "DIR/model_head.safetensors: tensor 'heads.golden.1.bias' is not part of head 'other'"},
      {"LanguageAdapterWithoutItsInvertibleOne", "adapter_legacy_lang/import_only",
       [](const fs::path& d) {
         formats::NamedTensors tensors = formats::read_torch_file(d / "pytorch_adapter.bin");
         std::erase_if(tensors, [](const auto& e) { return e.first.starts_with("bert.invertible_lang_adapters."); });
         formats::write_torch_file(d / "pytorch_adapter.bin", tensors);
       },
       "DIR/pytorch_adapter.bin: 'golden' is a language adapter with an invertible adapter ('nice'), and none of its "
       "tensors is of that (invertible_lang_adapters...); without it the adapter computes something else"},
      {"MemberMissing", fusion, [](const fs::path& d) { fs::remove_all(d / "b"); },
       "DIR/a,b: member 'b' is not there; expected adapter_config.json in DIR/a,b/b or beside it"},
      {"MemberOutside", fusion,
       [](const fs::path& d) {
         edit_json(d / "a,b" / "adapter_fusion_config.json", [](json& c) {
           c["adapter_names"] = {"a", "../../../etc"};
         });
       },
       "DIR/a,b/adapter_fusion_config.json: '../../../etc' cannot be the name of a member"},
      {"MemberOfOtherSize", fusion,
       [](const fs::path& d) { edit_json(d / "b" / "adapter_config.json", [](json& c) { c["hidden_size"] = 64; }); },
       "DIR/b/adapter_config.json: is for hidden size 64, the others beside it are for 32"},
  };
}

std::string with(std::string text, const std::string& what, const std::string& by) {
  for (size_t at; (at = text.find(what)) != std::string::npos;)
    text.replace(at, what.size(), by);
  return text;
}

class Refused : public ::testing::TestWithParam<Refusal> {
 protected:
  void SetUp() override { ::setenv("HF_HUB_CACHE", "/nowhere", 1); }
  testing::InRepository in_repository_;
  testing::TempFolder folder_;
};

TEST_P(Refused, WithItsReasonAndNothingIsMade) {
  const fs::path directory = fs::path(folder_.path()) / "theirs", run = fs::path(folder_.path()) / "run";
  fs::copy(testing::golden_path() / GetParam().golden, directory, fs::copy_options::recursive);
  GetParam().damage(directory);
  Arguments arguments = {"import",     directory.string(), "--output",
                         run.string(), "--plugin-path",    PLUGTUNE_BINARY_DIR "/lib/plugtune"};
  arguments.insert(arguments.end(), GetParam().options.begin(), GetParam().options.end());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int code = app::run(arguments);
  std::string errors = ::testing::internal::GetCapturedStderr();
  ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(code, kUsersMistake);
  errors = with(with(errors, directory.string(), "DIR"), "directory " + fs::current_path().string(), "directory HERE");
  EXPECT_EQ(errors, GetParam().message + "\n");
  EXPECT_FALSE(fs::exists(run));
}

INSTANTIATE_TEST_SUITE_P(Foreign, Refused, ::testing::ValuesIn(refusals()),
                         [](const auto& info) { return info.param.name; });

/// A file-size limit stands for a full disk: the export fails with one sentence and leaves nothing.
TEST(Export, OnAFullDiskLeavesNothing) {
  const testing::InRepository in_repository;
  const testing::TempFolder folder;
  const ImportedRun imported = testing::import_case({"lora_qv", "peft"});
  const exchange::ForeignFiles files = export_foreign(imported.session, "peft", "x", "tests/golden/tiny");
  const fs::path output = fs::path(folder.path()) / "out";
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1024, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  std::string message;
  try {
    exchange::write_foreign(output, files, true);
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find(output.string() + ": "), std::string::npos) << message;
  EXPECT_TRUE(fs::is_empty(folder.path())) << message;
}

}  // namespace
}  // namespace plugtune::app
