// reft_test.cc - ReFT against AdapterHub's library, its files both ways, which rows are changed, orthonormal rows, and every message.
#include "exchange.h"
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::error_of_changed;
using testing::error_of_writing;
using testing::fresh_delta;
using testing::Golden;
using testing::make_strategy;
using testing::settings_read;
using testing::tiny_model;
using testing::tuned;

struct Case {
  const char* golden;
  nlohmann::json settings;
};

class ReftGolden : public ::testing::TestWithParam<Case> {
 protected:
  ReftGolden() : golden(GetParam().golden), model(tuned(GetParam().settings)) {
    testing::train_head(*model);
    testing::take_start(golden, *model);
    const torch::NoGradGuard no_grad;
    std::map<std::string, Tensor> buffers;
    for (const auto& [key, buffer] : model->patch_buffers())
      buffers.emplace(key, buffer);
    for (const auto& [key, tensor] : golden.tensors())
      if (key.starts_with("fixed/")) buffers.at(testing::delta_key(key.substr(6))).copy_(tensor);
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
};

TEST_P(ReftGolden, LogitsLossAndEveryGradientEqualTheLibrarys) { testing::expect_golden_pass(golden, *model); }
TEST_P(ReftGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }
TEST_P(ReftGolden, TenStepsEqualTheLibrarys) {
  if (!golden.tensors().contains("losses")) GTEST_SKIP() << "the library's own steps are wrong";
  testing::expect_ten_steps(golden, *model);
}

INSTANTIATE_TEST_SUITE_P(Library, ReftGolden,
                         ::testing::Values(Case{"reft_loreft", {{"suffix_positions", 1}, {"rank", 4}, {"dropout", 0}}},
                                           Case{"reft_noreft",
                                                {{"kind", "noreft"},
                                                 {"prefix_positions", 2},
                                                 {"suffix_positions", 1},
                                                 {"rank", 3},
                                                 {"tied_weights", true},
                                                 {"dropout", 0}}},
                                           Case{"reft_direft",
                                                {{"kind", "direft"},
                                                 {"prefix_positions", 1},
                                                 {"suffix_positions", 1},
                                                 {"rank", 2},
                                                 {"layers", "1"},
                                                 {"dropout", 0}}}),
                         [](const auto& info) { return std::string(info.param.golden); });

TEST(Reft, ChangesTheFirstAndTheLastRowsAlone) {
  const Golden golden("full_classification");
  const model::Input input = golden.input("a");
  const Tensor bare = tiny_model()->hidden(input);
  const auto model = tuned({{"kind", "noreft"}, {"layers", "1"}, {"prefix_positions", 2}, {"suffix_positions", 1}});
  const Tensor changes = (model->hidden(input) - bare).abs().amax(1);
  for (int64_t b = 0; b < input.layout.sequences(); ++b) {
    const int64_t begin = input.layout.offset(b), end = input.layout.offset(b + 1);
    for (int64_t row = begin; row < end; ++row)
      EXPECT_EQ(changes[row].item<float>() > 0, row < begin + 2 || row == end - 1) << row;
  }
}

TEST(Reft, RowsOfTheProjectionAreOrthonormalWhateverDecayDoesToTheSigns) {
  // h + R^T (W h + b - R h) with W = 0 and b = 0 takes out what R spans: twice is once.
  const Golden golden("full_classification");
  const auto hidden = [&](const std::vector<std::string>& names) {
    const auto model = tiny_model();
    for (const std::string& name : names) {
      torch::manual_seed(3);
      make_strategy(nlohmann::json{{"rank", 4}, {"dropout", 0}, {"layers", "1"}, {"name", name}})->apply(*model);
    }
    torch::manual_seed(4);
    const torch::NoGradGuard no_grad;
    const Tensor reflections = torch::randn({4, 32});
    reflections.diagonal().fill_(-0.99);
    for (auto& [key, parameter] : model->patch_parameters())
      key.ends_with("reflections") ? parameter.copy_(reflections) : parameter.zero_();
    model->eval();
    return model->hidden(golden.input("a"));
  };
  const Tensor once = hidden({"one"});
  EXPECT_TRUE(testing::near(hidden({"one", "two"}), once, 0, 1e-5));
  EXPECT_FALSE(testing::near(once, tiny_model()->hidden(golden.input("a")), 0, 1e-2));
}

TEST(Reft, CountsOfTheMultilingualModel) {
  model::Bert model(testing::base_sizes());
  make_strategy(nlohmann::json::object())->apply(model);
  EXPECT_EQ(testing::trainable_count(model), 12 * (768 + 1 + 768));
}

TEST(Reft, SaysWhatIsWrongWithItsSettings) {
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"rnak", 4}},
       "strategy.rnak: unknown key; did you mean 'rank'? keys of strategy 'reft': layers, name, kind, rank, "
       "prefix_positions, "
       "suffix_positions, tied_weights, dropout"},
      {{{"kind", "lo"}}, "strategy.kind: must be one of loreft, noreft, direft, got \"lo\""},
      {{{"prefix_positions", 0}},
       "strategy.prefix_positions: is 0, and so is suffix_positions: nothing would be changed"},
      {{{"layers", "1-2"}}, "strategy.layers: the model has layers 0 to 1, got 2"},
      {{{"rank", 33}}, "strategy.rank: must be at most the hidden size, 32, got 33"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

/// The tiny model as the case's file says it. A LoReFT's gradients are no file: the signs are none. ReftGolden has them.
class ReftFile : public ::testing::TestWithParam<const char*> {
 protected:
  ReftFile()
      : foreign(GetParam()),
        model(tiny_model()),
        delta(testing::read_adapter(foreign.adapter, testing::base_of(*model))) {
    make_strategy(delta.settings)->apply(*model);
    const torch::NoGradGuard no_grad;
    std::map<std::string, Tensor> ours = testing::trainables(*model);
    for (const auto& [key, buffer] : model->patch_buffers())
      ours.emplace(key, buffer);
    for (const auto& [key, tensor] : delta.tensors) {
      EXPECT_EQ(ours.at(key).sizes(), tensor.sizes()) << key;
      ours.at(key).copy_(tensor);
    }
    EXPECT_EQ(ours.size(), delta.tensors.size());
  }
  testing::ForeignGolden foreign;
  const std::shared_ptr<model::Bert> model;
  MethodDelta delta;
};

TEST_P(ReftFile, GivesTheLogitsOfTheLibrary) {
  EXPECT_TRUE(near_golden(foreign.golden, "hidden", model->hidden(foreign.golden.input("a"))));
  EXPECT_TRUE(near_golden(foreign.golden, "logits", model->forward(foreign.golden.input("a"))));
}

INSTANTIATE_TEST_SUITE_P(Library, ReftFile,
                         ::testing::Values("reft_loreft", "reft_noreft", "reft_direft", "reft_first"),
                         [](const auto& info) { return std::string(info.param); });

class ReftWritten : public ReftFile {};

TEST_P(ReftWritten, IsTheFileThatWasRead) {
  const ForeignAdapter written = reft::ReftExchange().write(delta, "adapterhub", "golden", testing::base_of(*model));
  EXPECT_EQ(testing::json_of(written.config), foreign.config);
  std::map<std::string, Tensor> ours(written.tensors.begin(), written.tensors.end());
  EXPECT_EQ(ours.size(), foreign.adapter.tensors.size());
  for (const auto& [key, tensor] : foreign.adapter.tensors)
    EXPECT_TRUE(ours.contains(key) && ours[key].equal(tensor)) << key;
}

INSTANTIATE_TEST_SUITE_P(Library, ReftWritten, ::testing::Values("reft_loreft", "reft_noreft", "reft_first"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Reft, FilesBecomeSettings) {
  EXPECT_EQ(settings_read("reft_loreft"),
            (nlohmann::json{
                {"kind", "loreft"}, {"rank", 4}, {"prefix_positions", 3}, {"suffix_positions", 1}, {"dropout", 0.0}}));
  EXPECT_EQ(settings_read("reft_direft"), (nlohmann::json{{"kind", "direft"},
                                                          {"rank", 2},
                                                          {"prefix_positions", 1},
                                                          {"suffix_positions", 1},
                                                          {"dropout", 0.0},
                                                          {"layers", "1"}}));
  EXPECT_EQ(settings_read("reft_noreft", {{"dropout", 0.25}}), (nlohmann::json{{"kind", "noreft"},
                                                                               {"rank", 3},
                                                                               {"prefix_positions", 2},
                                                                               {"suffix_positions", 1},
                                                                               {"tied_weights", true},
                                                                               {"dropout", 0.25}}));
  // The library passes over layers that the model does not have.
  EXPECT_EQ(settings_read("reft_direft", {{"layers", {1, 7}}})["layers"], "1");
}

TEST(Reft, AFileThatDoesNotSayWhatItSubtractsIsNoReft) {
  testing::ForeignGolden foreign("reft_noreft");
  const auto model = tiny_model();
  testing::read_adapter(foreign.adapter, testing::base_of(*model));
  EXPECT_EQ(foreign.adapter.notes,
            std::vector<std::string>(
                {"the library does not write whether it takes the projection away: this is NoReFT, as which it would "
                 "load the file; of one that was trained as DiReFT, put \"subtract_projection\": false into config"}));
  EXPECT_EQ(settings_read("reft_direft", {{"subtract_projection", nullptr}})["kind"], "noreft");
}

TEST(Reft, RefusesFilesThatSayWhatItCannot) {
  const std::vector<std::tuple<std::string, nlohmann::json, std::string>> cases = {
      {"reft_loreft", {{"non_linearity", "relu"}}, "non_linearity: is \"relu\"; an intervention here has none"},
      {"reft_loreft", {{"output_reft", false}}, "output_reft: is false: nothing is tuned"},
      {"reft_loreft", {{"layers", {7}}}, "layers: names no layer of the model: nothing is tuned"},
      {"reft_loreft", {{"layers", "some"}}, "layers: must be a whole number, got \"some\""},
      {"reft_loreft",
       {{"prefix_positions", 0}, {"suffix_positions", 0}},
       "prefix_positions: is 0, and so is suffix_positions: nothing is tuned"},
      {"reft_loreft",
       {{"r", 32}},
       "r: 32 is the hidden size: rows of R as many as they are long are made with a matrix exponential there, and "
       "with "
       "reflections here"},
      {"reft_loreft", {{"r", 33}}, "r: must be between 1 and 32, got 33"},
      {"reft_loreft",
       {{"subtract_projection", false}},
       "subtract_projection: is false beside orthogonality, which no kind of ReFT here is"},
      {"reft_loreft",
       {{"of_tomorrow", 1}},
       "of_tomorrow: is 1, a setting that is not known here; the file would be read as something else than it is"},
  };
  for (const auto& [name, changes, text] : cases)
    EXPECT_EQ(error_of_changed(name, changes), "adapter_config.json.config." + text);
  const std::string unit = "golden: tensor 'encoder.layer.1.reft_layer.refts.golden.units.0.";
  EXPECT_EQ(error_of_changed("reft_direft", {{"r", 3}, {"tied_weights", true}}),
            unit + "learned_source.weight' has shape (2, 32), it must be (3, 32)\n" + unit +
                "learned_source.bias' has shape (2), it must be (3)\n" + unit +
                "projection.weight' has shape (2, 32), it must be (3, 32)");
}

TEST(Reft, RefusesAFileWhoseSignsDecayed) {
  testing::ForeignGolden foreign("reft_loreft");
  const std::string name =
      "encoder.layer.1.reft_layer.refts.golden.units.1.projection.parametrizations.weight.original";
  for (auto& [key, tensor] : foreign.adapter.tensors) {
    tensor = tensor.clone();
    if (key == name) tensor[2][2] *= 0.99;  // one step of weight decay
  }
  const auto model = tiny_model();
  EXPECT_EQ(
      error_of([&] { testing::read_adapter(foreign.adapter, testing::base_of(*model)); }),
      "golden: tensor '" + name +
          "' has signs on its diagonal that are not 1 or -1: weight decay has reached them, and AdapterHub's "
          "library makes zeros of them, so that the adapter changes nothing; train it again without weight decay");
}

TEST(Reft, SignsThatDecayedHereLeaveWhole) {
  const nlohmann::json settings = {{"rank", 4}};
  testing::NamedList tensors = fresh_delta(settings);
  size_t decayed = 0, compared = 0;
  for (auto& [key, tensor] : tensors) {
    if (!key.ends_with("reflections")) continue;
    tensor = tensor * 0.9;
    ++decayed;
  }
  const auto model = tiny_model();
  const ForeignAdapter written = reft::ReftExchange().write({testing::config_node(settings), tensors, {}}, "adapterhub",
                                                            "mine", testing::base_of(*model));
  for (const auto& [key, tensor] : written.tensors) {
    if (key.find("units.0") == std::string::npos || !key.ends_with("original")) continue;
    EXPECT_TRUE(tensor.diagonal().equal(-torch::ones({4}))) << key;
    ++compared;
  }
  EXPECT_EQ(compared, decayed);
}

TEST(Reft, RefusesToWriteWhatALibraryCannotSay) {
  const std::vector<std::tuple<nlohmann::json, std::string, std::string>> cases = {
      {nlohmann::json::object(), "peft", "reft: peft has no interventions on hidden rows; export to adapterhub"},
      {{{"kind", "direft"}},
       "adapterhub",
       "reft: AdapterHub's library loses subtract_projection = false when it loads a file, and would compute NoReFT; a "
       "DiReFT has no form there"},
      {{{"rank", 32}},
       "adapterhub",
       "reft: rank 32 is the hidden size: rows of R as many as they are long are made with a matrix exponential there, "
       "and with reflections here"},
      {{{"rank", 31}, {"suffix_positions", 2}, {"layers", "0"}}, "adapterhub", ""},
  };
  for (const auto& [settings, format, text] : cases)
    EXPECT_EQ(error_of_writing(settings, fresh_delta(settings), format), text);
}

TEST(Reft, ReadsItsOwnOnly) {
  testing::ForeignGolden foreign("reft_loreft");
  EXPECT_TRUE(reft::ReftExchange().reads(foreign.adapter));
  foreign.adapter.config.set("architecture", {std::string("prefix_tuning")});
  EXPECT_FALSE(reft::ReftExchange().reads(foreign.adapter));
}

}  // namespace
}  // namespace plugtune
