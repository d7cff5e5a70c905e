// prefix_test.cc - prefixes against peft and AdapterHub's library, both ways, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::error_of_changed;
using testing::error_of_writing;
using testing::fresh_delta;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;
using testing::tuned;

class PrefixGolden : public testing::ForeignGoldenTest {};

TEST_P(PrefixGolden, LogitsLossAndEveryGradientEqualTheLibrarys) { expect_logits_loss_and_gradients(); }
TEST_P(PrefixGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }
TEST_P(PrefixGolden, FileIsWrittenAsItWasRead) { expect_written_as_read(); }

TEST_P(PrefixGolden, FirstRowsAloneGiveTheSameLogits) {
  const Tensor logits = model->forward(golden.input("a"));
  model->set_first_rows_only(false);
  EXPECT_TRUE(testing::near(model->forward(golden.input("a")), logits, 0, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Peers, PrefixGolden,
                         ::testing::Values("prefix_peft", "prefix_adapters", "prefix_adapters_flat",
                                           "prefix_adapters_leave_out", "prefix_adapters_gates",
                                           "prefix_adapters_flat_gates"),
                         [](const auto& info) { return std::string(info.param); });

class PrefixTenSteps : public testing::ForeignGoldenTest {};
TEST_P(PrefixTenSteps, EqualTheLibrarys) { expect_ten_steps(); }
INSTANTIATE_TEST_SUITE_P(Peers, PrefixTenSteps,
                         ::testing::Values("prefix_peft", "prefix_adapters", "prefix_adapters_flat"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Prefix, DropsWholeRowsOfItsOwnForEachSequenceInTrainingOnly) {
  const Golden golden("full_classification");
  torch::manual_seed(1);
  const auto model = tuned({{"prefix_length", 4}, {"dropout", 0.5}});
  const Tensor quiet = model->forward(golden.input("a"));
  EXPECT_TRUE(testing::near(model->forward(golden.input("a")), quiet, 0, 0));
  model->train();
  EXPECT_FALSE(testing::near(model->forward(golden.input("a")), quiet, 0, 1e-3));
}

TEST(Prefix, AGateOfAboutAHalfIsOfEachSequenceAndInEachLayer) {
  std::vector<std::string> gates;
  for (const auto& [key, tensor] : fresh_delta({{"gate", true}, {"leave_out", {0}}})) {
    if (key.find(".gate.") == std::string::npos) continue;
    gates.push_back(key);
    EXPECT_LT(testing::largest(tensor), key.ends_with("bias") ? 1 / std::sqrt(32.0) : 0.1) << key;
  }
  const std::string patch = "encoder.layer.1.attention.self.prefix.gate.";
  EXPECT_EQ(gates, std::vector<std::string>({patch + "bias", patch + "weight"}));
}

TEST(Prefix, NetworkIsOneForAllLayers) {
  std::vector<std::string> keys;
  for (const auto& [key, tensor] : fresh_delta({{"flat", false}, {"bottleneck_size", 3}, {"leave_out", {0}}}))
    keys.push_back(key);
  const std::string patch = "encoder.layer.1.attention.self.prefix.";
  EXPECT_EQ(keys, (std::vector<std::string>{patch + "network.down_bias", patch + "network.down_weight",
                                            patch + "network.wte", patch + "up_bias", patch + "up_weight"}));
  EXPECT_EQ(fresh_delta({{"flat", false}, {"bottleneck_size", 3}}).size(), 3u + 2 * 2);
}

TEST(Prefix, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy()->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 552960);
}

TEST(Prefix, ShiftedPositionsMustBeThere) {
  const Golden golden("full_classification");  // its longest sequence has 14 tokens, the tiny model 64 positions
  EXPECT_EQ(error_of([&] {
              tuned({{"prefix_length", 50}, {"shift_positions", true}})->forward(golden.input("a"));
            }),
            "");
  std::string text;
  try {
    tuned({{"prefix_length", 51}, {"shift_positions", true}})->forward(golden.input("a"));
  } catch (const PatchError& error) {
    text = error.what();
  }
  EXPECT_EQ(text,
            "embeddings.prefix: positions: 51 of the prefix and 14 of a sequence are more than the model's 64; lower "
            "data.max_length or prefix_length, or set shift_positions = false");
}

TEST(Prefix, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"length", 4}},
       "strategy.length: unknown key; keys of strategy 'prefix': prefix_length, shift_positions, flat, "
       "bottleneck_size, "
       "non_linearity, gate, dropout, init_std, leave_out, name"},
      {{{"prefix_length", 0}, {"dropout", 1}},
       "strategy.prefix_length: must be between 1 and 100000, got 0\n"
       "strategy.dropout: must be between 0 and 0.999999, got 1"},
      {{{"leave_out", {2}}}, "strategy.leave_out: the model has layers 0 to 1, got 2"},
      {{{"leave_out", {0, 1}}}, "strategy.leave_out: leaves no layer"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

TEST(Prefix, ProjectedPrefixOfPeftArrivesAsTheRowsThatAreInItsFile) {
  testing::ForeignGolden foreign("prefix_peft");
  const auto model = tiny_model();
  const MethodDelta flat = testing::read_adapter(foreign.adapter, testing::base_of(*model));
  foreign.adapter.config.set("prefix_projection", {true});
  const MethodDelta projected = testing::read_adapter(foreign.adapter, testing::base_of(*model));
  EXPECT_EQ(testing::json_of(projected.settings), testing::json_of(flat.settings));
  EXPECT_EQ(
      foreign.adapter.notes,
      std::vector<std::string>({"was trained through a network (prefix_projection), of which peft saves the result "
                                "alone: the prefix goes on as a flat one"}));
}

TEST(Prefix, NetworkLeavesForPeftAsTheRowsThatItGives) {
  const nlohmann::json settings = {
      {"prefix_length", 3}, {"flat", false}, {"bottleneck_size", 5}, {"shift_positions", true}, {"dropout", 0.1}};
  const Golden golden("full_classification");
  torch::manual_seed(3);
  const auto computed = tuned(settings), flat = tiny_model();
  testing::NamedList tensors;
  for (const auto& [key, parameter] : testing::trainables(*computed))
    tensors.emplace_back(key, parameter.detach());
  const ExchangeBase base = testing::base_of(*flat);
  ForeignAdapter written =
      testing::make_exchange()->write({testing::config_node(settings), tensors, {}}, "peft", "", base);
  EXPECT_EQ(written.notes, std::vector<std::string>(
                               {"the network behind the prefix is not in the file: peft saves the rows that it gives",
                                "peft has no dropout of the prefix: trained on there, it has none"}));
  const MethodDelta delta = testing::read_adapter(written, base);
  make_strategy(delta.settings)->apply(*flat);
  {
    torch::NoGradGuard no_grad;
    auto ours = testing::trainables(*flat);
    for (const auto& [key, tensor] : delta.tensors)
      ours.at(key).copy_(tensor);
  }
  EXPECT_TRUE(testing::near(flat->forward(golden.input("a")), computed->forward(golden.input("a")), 0, 1e-5));
}

TEST(Prefix, RefusesFilesThatSayWhatItCannot) {
  const std::string unknown = ", a setting that is not known here; the file would be read as something else than it is";
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> cases = {
      {"prefix_peft",
       {{"num_virtual_tokens", nullptr}},
       "adapter_config.json.num_virtual_tokens: must be a whole number, it is missing"},
      {"prefix_peft",
       {{"num_virtual_tokens", 6}},
       "golden: tensor 'prompt_embeddings' has shape (5, 128), it must be (6, 128)"},
      {"prefix_peft",
       {{"token_dim", 64}, {"num_layers", 3}, {"num_attention_heads", 8}, {"num_transformer_submodules", 2}},
       "adapter_config.json.token_dim: is 64, but the base has 32; the file belongs to another model\n"
       "adapter_config.json.num_layers: is 3, but the base has 2; the file belongs to another model\n"
       "adapter_config.json.num_attention_heads: is 8, but the base has 4; the file belongs to another model\n"
       "adapter_config.json.num_transformer_submodules: is 2, but the base has 1; the file belongs to another model"},
      {"prefix_peft", {{"prefix_scale", 2.0}}, "adapter_config.json.prefix_scale: is 2" + unknown},
      {"prefix_adapters_gates",
       {{"shared_gating", false}},
       "adapter_config.json.shared_gating: is false: keys and values have a gate each there; here both have the same"},
      {"prefix_adapters",
       {{"use_gating", true}},
       "golden: tensor 'encoder.layer.0.attention.self.prefix_tuning.prefix_gates.golden.weight' is missing\n"
       "golden: tensor 'encoder.layer.0.attention.self.prefix_tuning.prefix_gates.golden.bias' is missing\n"
       "golden: tensor 'encoder.layer.1.attention.self.prefix_tuning.prefix_gates.golden.weight' is missing\n"
       "golden: tensor 'encoder.layer.1.attention.self.prefix_tuning.prefix_gates.golden.bias' is missing"},
      {"prefix_adapters",
       {{"bottleneck_size", 8}},
       "golden: tensor 'prefix_tuning.prefix_tunings.golden.self_prefix.control_trans.0.weight' has shape (16, 32), it "
       "must "
       "be (8, 32)\n"
       "golden: tensor 'prefix_tuning.prefix_tunings.golden.self_prefix.control_trans.0.bias' has shape (16), it must "
       "be "
       "(8)\n"
       "golden: tensor 'prefix_tuning.prefix_tunings.golden.self_prefix.control_trans.2.weight' has shape (128, 16), "
       "it "
       "must be (128, 8)"},
      {"prefix_adapters", {{"leave_out", {2}}}, "adapter_config.json.leave_out: the model has layers 0 to 1, got 2"},
      {"prefix_adapters_flat",
       {{"prefix_length", 4}},
       "golden: tensor 'prefix_tuning.prefix_tunings.golden.self_prefix.control_trans' has shape (640), it must be "
       "(512)"},
  };
  for (const auto& [name, changes, text] : cases)
    EXPECT_EQ(error_of_changed(name, changes), text);
}

TEST(Prefix, RefusesToWriteWhatALibraryCannotSay) {
  const std::vector<std::tuple<nlohmann::json, std::string, std::string>> cases = {
      {{{"prefix_length", 3}},
       "peft",
       "prefix: peft gives the prefix the first 3 positions and this one was trained without that (shift_positions = "
       "false); export to adapterhub, or train with shift_positions = true"},
      {{{"prefix_length", 3}, {"shift_positions", true}, {"gate", true}},
       "peft",
       "prefix: peft has no gates and this one has them (gate = true); export to adapterhub"},
      {{{"prefix_length", 3}, {"shift_positions", true}, {"leave_out", {0}}},
       "peft",
       "prefix: peft has a prefix in every layer and this one leaves some out (leave_out)"},
      {{{"prefix_length", 3}, {"shift_positions", true}},
       "adapterhub",
       "prefix: AdapterHub's library leaves the positions alone and this prefix was trained with the first 3 of them "
       "(shift_positions = true); export to peft, or train with shift_positions = false"},
  };
  for (const auto& [settings, format, text] : cases)
    EXPECT_EQ(error_of_writing(settings, fresh_delta(settings), format), text);
  EXPECT_EQ(error_of_writing({{"prefix_length", 3}}, {}, "adapterhub"),
            "the delta has no tensor 'encoder.layer.0.attention.self.prefix.keys', as its settings say; it is damaged");
}

}  // namespace
}  // namespace plugtune
