// ia3_test.cc - IA3 against peft and AdapterHub's library, both ways, folding, targets, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::error_of_changed;
using testing::error_of_writing;
using testing::fresh_delta;
using testing::make_strategy;
using testing::settings_read;
using testing::tiny_model;
using testing::tuned;

class Ia3Golden : public testing::ForeignGoldenTest {};

TEST_P(Ia3Golden, LogitsLossAndEveryGradientEqualTheLibrarys) { expect_logits_loss_and_gradients(); }

TEST_P(Ia3Golden, FoldedModelGivesTheSameLogits) { testing::expect_folded_equals_patched(golden, *model); }

TEST_P(Ia3Golden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

INSTANTIATE_TEST_SUITE_P(Peers, Ia3Golden,
                         ::testing::Values("ia3_peft", "ia3_paper", "ia3_all", "ia3_adapters", "ia3_adapters_options"),
                         [](const auto& info) { return std::string(info.param); });

class Ia3TenSteps : public testing::ForeignGoldenTest {};
TEST_P(Ia3TenSteps, EqualTheLibrarys) { expect_ten_steps(); }
INSTANTIATE_TEST_SUITE_P(Peers, Ia3TenSteps, ::testing::Values("ia3_peft", "ia3_adapters"),
                         [](const auto& info) { return std::string(info.param); });

class Ia3Written : public testing::ForeignGoldenTest {};
TEST_P(Ia3Written, IsTheFileThatWasRead) {
  // An expression becomes the list of the same modules: "output.dense" alone would name attention.output.dense too.
  const nlohmann::json down = {"encoder.layer.0.output.dense", "encoder.layer.1.output.dense"};
  const std::map<std::string, nlohmann::json> other = {
      {"ia3_paper", {{"target_modules", {"key", "value", down[0], down[1]}}, {"feedforward_modules", down}}},
      {"ia3_all",
       {{"target_modules",
         {"query", "encoder.layer.1.attention.self.value", "intermediate.dense", "output.dense", "pooler.dense"}},
        {"feedforward_modules", {"intermediate.dense", "output.dense", "pooler.dense"}}}},
  };
  expect_written_as_read(other.contains(GetParam()) ? other.at(GetParam()) : nlohmann::json::object());
}
INSTANTIATE_TEST_SUITE_P(Peers, Ia3Written,
                         ::testing::Values("ia3_peft", "ia3_paper", "ia3_all", "ia3_adapters", "ia3_adapters_options"),
                         [](const auto& info) { return std::string(info.param); });

/// peft's configuration of a delta with these settings.
nlohmann::json written_config(const nlohmann::json& settings) {
  const auto model = tiny_model();
  return testing::json_of(
      testing::make_exchange()
          ->write({testing::config_node(settings), fresh_delta(settings), {}}, "peft", "", testing::base_of(*model))
          .config);
}

/// peft refuses feedforward_modules that are not among target_modules, letter for letter.
TEST(Ia3, WritesInputsAmongTheModulesByTheSameNames) {
  const std::vector<nlohmann::json> cases = {
      {{"targets", {"key", "value", "attention_output", "ffn_down"}}},
      {{"targets", {"key", "attention_output", "ffn_down"}}, {"feedforward", {"attention_output"}}},
      {{"targets", {"ffn_up"}}, {"feedforward", {"encoder.layer.0.intermediate.dense"}}},
      {{"targets", {"key", "value", "ffn_down"}}},
  };
  for (const nlohmann::json& settings : cases) {
    SCOPED_TRACE(settings.dump());
    const nlohmann::json config = written_config(settings);
    const std::set<std::string> modules = config["target_modules"];
    for (const std::string name : config["feedforward_modules"])
      EXPECT_TRUE(modules.contains(name)) << name;
    EXPECT_FALSE(config["feedforward_modules"].empty());
  }
}

TEST(Ia3, FilesBecomeRolesWhereTheyCan) {
  EXPECT_EQ(settings_read("ia3_peft"), (nlohmann::json{{"convention", "paper"},
                                                       {"targets", {"key", "value", "attention_output", "ffn_down"}},
                                                       {"feedforward", {"attention_output", "ffn_down"}}}));
  EXPECT_EQ(settings_read("ia3_paper"),
            (nlohmann::json{
                {"convention", "paper"}, {"targets", {"key", "value", "ffn_down"}}, {"feedforward", {"ffn_down"}}}));
  EXPECT_EQ(settings_read("ia3_all"),
            (nlohmann::json{
                {"convention", "paper"},
                {"targets",
                 {"query", "encoder.layer.1.attention.self.value", "attention_output", "ffn_up", "ffn_down", "pooler"}},
                {"feedforward", {"attention_output", "ffn_up", "ffn_down", "pooler"}}}));
  EXPECT_EQ(settings_read("ia3_adapters_options"),
            (nlohmann::json{{"convention", "adapters"},
                            {"targets", {"query", "key", "value", "ffn_up", "ffn_down"}},
                            {"layers", "1"},
                            {"feedforward", nlohmann::json::array()}}));
}

TEST(Ia3, StartsAsTheIdentity) {
  const testing::Golden golden("full_classification");
  const Tensor bare = tiny_model()->forward(golden.input("a"));
  for (const char* convention : {"paper", "adapters"})
    EXPECT_TRUE(testing::near(tuned({{"convention", convention}})->forward(golden.input("a")), bare, 0, 1e-7));
}

TEST(Ia3, TheTwoConventionsScaleDifferentThings) {
  const auto sizes = [](const nlohmann::json& settings) {
    std::map<std::string, int64_t> sizes;
    for (const auto& [key, tensor] : fresh_delta(settings))
      if (key.starts_with("encoder.layer.1.")) sizes[key.substr(16)] = tensor.numel();
    return sizes;
  };
  using Sizes = std::map<std::string, int64_t>;
  EXPECT_EQ(sizes({}),
            (Sizes{{"attention.self.key.ia3.l", 32}, {"attention.self.value.ia3.l", 32}, {"output.dense.ia3.l", 64}}));
  EXPECT_EQ(
      sizes({{"convention", "adapters"}}),
      (Sizes{{"attention.self.key.ia3.l", 32}, {"attention.self.value.ia3.l", 32}, {"intermediate.dense.ia3.l", 64}}));
  EXPECT_EQ(sizes({{"targets", {"ffn_down"}}, {"feedforward", nlohmann::json::array()}, {"name", "other"}}),
            (Sizes{{"output.dense.other.l", 32}}));
}

TEST(Ia3, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy()->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 55296 - 12 * 3071);  // the feed-forward is 1 wide here, not 3072
}

TEST(Ia3, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"feedfoward", {"ffn_down"}}},
       "strategy.feedfoward: unknown key; did you mean 'feedforward'? keys of strategy 'ia3': convention, targets, "
       "layers, "
       "feedforward, name"},
      {{{"convention", "peft"}}, "strategy.convention: must be one of paper, adapters, got \"peft\""},
      {{{"targets", {"keys"}}},
       "strategy.targets: no linear layer has role 'keys'; did you mean 'key'? roles: query, key, value, "
       "attention_output, ffn_up, ffn_down, pooler, classifier"},
      {{{"feedforward", {"ffn_up"}}},
       "strategy.feedforward: 'ffn_up' is not among the targets; it says which of them are scaled at their input"},
      {{{"feedforward", {"ffn_dwon"}}},
       "strategy.feedforward: 'ffn_dwon' is not among the targets; did you mean 'ffn_down'?; it says which of them are "
       "scaled "
       "at their input"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

TEST(Ia3, RefusesFilesThatSayWhatItCannot) {
  const std::string unknown = ", a setting that is not known here; the file would be read as something else than it is";
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> cases = {
      {"ia3_peft", {{"fan_in_fan_out", true}}, "adapter_config.json.fan_in_fan_out: is true" + unknown},
      {"ia3_peft", {{"target_modules", nullptr}}, "adapter_config.json.target_modules: is required"},
      {"ia3_peft",
       {{"feedforward_modules", nullptr}},
       "adapter_config.json.feedforward_modules: must be a list of module names or an expression, it is missing; "
       "without it "
       "the file does not say which factors scale inputs"},
      {"ia3_peft",
       {{"target_modules", {"nothing"}}},
       "adapter_config.json.target_modules: names no linear layer of BERT"},
      {"ia3_peft",
       {{"feedforward_modules", "(?i)DENSE"}},
       "adapter_config.json.feedforward_modules: '(?i)DENSE' is a regular expression that only Python reads"},
      {"ia3_peft",
       {{"target_modules", {"query"}}, {"feedforward_modules", nlohmann::json::array()}},
       "golden: tensor 'encoder.layer.0.attention.self.query.ia3_l' is missing\n"
       "golden: tensor 'encoder.layer.1.attention.self.query.ia3_l' is missing"},
      {"ia3_peft",
       {{"feedforward_modules", {"key", "output.dense"}}},
       "golden: tensor 'encoder.layer.0.attention.self.key.ia3_l' has shape (32, 1), it must be (1, 32)\n"
       "golden: tensor 'encoder.layer.1.attention.self.key.ia3_l' has shape (32, 1), it must be (1, 32)"},
      {"ia3_adapters", {{"use_gating", true}}, "adapter_config.json.use_gating: is true" + unknown},
      {"ia3_adapters", {{"use_dora", true}}, "adapter_config.json.use_dora: is true" + unknown},
      {"ia3_adapters", {{"dropout", 0.5}}, "adapter_config.json.dropout: is 0.5" + unknown},
      {"ia3_adapters", {{"vera_d", 0.1}}, "adapter_config.json.vera_d: is 0.1" + unknown},
      {"ia3_adapters", {{"r", 2}}, "adapter_config.json.r: is 2; factors have rank 1"},
      {"ia3_adapters",
       {{"attn_matrices", {"k", "v", "o"}}},
       "adapter_config.json.attn_matrices: must be of q, k and v, got \"o\""},
  };
  for (const auto& [name, changes, text] : cases)
    EXPECT_EQ(error_of_changed(name, changes), text);
}

TEST(Ia3, ExcludedModulesAreNotRead) {
  testing::ForeignGolden foreign("ia3_peft");
  foreign.adapter.config.set("exclude_modules", testing::config_node({"attention.output.dense"}));
  std::erase_if(foreign.adapter.tensors,
                [](const auto& entry) { return entry.first.find("attention.output") != std::string::npos; });
  const auto model = tiny_model();
  EXPECT_EQ(testing::json_of(testing::read_adapter(foreign.adapter, testing::base_of(*model)).settings)["targets"],
            (nlohmann::json{"key", "value", "ffn_down"}));
}

TEST(Ia3, ModulesThatAreSavedWholeAreNotRead) {
  // "dense" is the pooler's too, which is a part of the head here.
  testing::ForeignGolden foreign("ia3_all");
  foreign.adapter.config.set("modules_to_save", testing::config_node({"classifier", "score", "pooler"}));
  std::erase_if(foreign.adapter.tensors, [](const auto& entry) { return entry.first.starts_with("pooler."); });
  const auto model = tiny_model();
  const nlohmann::json settings =
      testing::json_of(testing::read_adapter(foreign.adapter, testing::base_of(*model)).settings);
  EXPECT_EQ(settings["feedforward"], (nlohmann::json{"attention_output", "ffn_up", "ffn_down"}));
}

TEST(Ia3, AlphaIsMultipliedIntoTheFactors) {
  testing::ForeignGolden foreign("ia3_adapters");
  const auto model = tiny_model();
  const MethodDelta once = testing::read_adapter(foreign.adapter, testing::base_of(*model));
  foreign.adapter.config.set("alpha", {int64_t{2}});
  const MethodDelta twice = testing::read_adapter(foreign.adapter, testing::base_of(*model));
  EXPECT_TRUE(twice.tensors.front().second.equal(2 * once.tensors.front().second));
  EXPECT_EQ(foreign.adapter.notes,
            std::vector<std::string>({"alpha = 2 was multiplied into the factors; written again it is 1"}));
}

TEST(Ia3, LeavesAPlainLoraOfAdapterHubToItsOwnPlugin) {
  testing::ForeignGolden foreign("ia3_adapters");
  foreign.adapter.config.set("composition_mode", {std::string("add")});
  EXPECT_FALSE(testing::make_exchange()->reads(foreign.adapter));
}

TEST(Ia3, RefusesToWriteWhatALibraryCannotSay) {
  const std::vector<std::tuple<nlohmann::json, std::string, std::string>> cases = {
      {{},
       "adapterhub",
       "ia3: AdapterHub's library scales outputs only, and 'encoder.layer.0.output.dense' is scaled at its input (the "
       "convention of peft and the paper); export to peft or hf, or train with convention = \"adapters\""},
      {{{"targets", {"key", "attention_output"}}},
       "adapterhub",
       "ia3: AdapterHub's library cannot scale 'encoder.layer.0.attention.output.dense'; export to peft or hf"},
      {{{"targets", {"key", "encoder.layer.1.attention.self.value"}}},
       "adapterhub",
       "ia3: AdapterHub's library scales the same layers everywhere, but here 'key' and 'value' are scaled in "
       "different "
       "ones; export to peft or hf"},
      {{{"targets", {"key", "classifier"}}},
       "peft",
       "ia3: 'classifier.ia3.l' has no name in the libraries' files, which have the head whole; train without that "
       "target, or merge"},
  };
  for (const auto& [settings, format, text] : cases)
    EXPECT_EQ(error_of_writing(settings, fresh_delta(settings), format), text);
  // What scales outputs crosses, whatever it was trained for.
  EXPECT_EQ(error_of_writing({{"convention", "adapters"}}, fresh_delta({{"convention", "adapters"}}), "peft"), "");
}

}  // namespace
}  // namespace plugtune
