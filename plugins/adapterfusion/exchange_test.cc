// exchange_test.cc - fusions of AdapterHub's library with their members: the same logits, the same files, and every refusal.
#include "exchange.h"

#include <regex>

#include "exchange/foreign_files.h"
#include "exchange/json_config.h"
#include "model/loss.h"
#include "plugtune/blocks/adapter_exchange.h"
#include "support/strategy.h"
#include "train/delta.h"

namespace plugtune {
namespace {

using adapterfusion::FusionExchange;
using nlohmann::json;
using testing::error_of;
using testing::Golden;
using testing::tiny_model;

constexpr double kDropout = 0.1;

ExchangeBase tiny_base() {
  ExchangeBase base{tiny_model()->info(), {}};
  base.info.attention_dropout = kDropout;
  return base;
}

/// The library's directories as the host hands them over.
struct Foreign {
  explicit Foreign(const std::string& golden_case, const std::string& folder = "adapterhub")
      : files(exchange::read_foreign(testing::golden_path() / golden_case / folder)),
        adapter(files.adapters.front()) {}

  /// What read() gives; strict as the host is.
  MethodDelta read() {
    FusionExchange exchange;
    EXPECT_TRUE(exchange.reads(adapter));
    ForeignTensors tensors("golden", adapter.tensors);
    MethodDelta delta = exchange.read(adapter, tensors, tiny_base());
    for (const std::string& name : tensors.unread())
      tensors.problem("tensor '" + name + "' is left over");
    tensors.throw_if_problems();
    return delta;
  }

  exchange::ForeignFiles files;
  ForeignAdapter& adapter;
};

void apply(const MethodDelta& delta, model::Bert& model) {
  const auto open_run = [&](const std::string& name) {
    return std::ranges::find(delta.sources, name, &std::pair<std::string, SourceRun>::first)->second;
  };
  const ConfigView view(delta.settings, {"strategy", "strategy 'adapterfusion'", "", open_run});
  std::unique_ptr<Strategy>(plugtune_plugin.items[0].create_strategy(view))->apply(model);
}

std::shared_ptr<model::Bert> tuned(const MethodDelta& delta, const formats::NamedTensors& head) {
  auto model = tiny_model();
  apply(delta, *model);
  formats::NamedTensors all = head;
  all.insert(delta.tensors.begin(), delta.tensors.end());
  train::load_delta(*model, all, "delta");  // every tensor, and no other
  return model;
}

void expect_same(const ForeignAdapter& written, const ForeignAdapter& expected, const std::filesystem::path& config) {
  EXPECT_EQ(written.name, expected.name);
  EXPECT_EQ(exchange::json_from(written.config).dump(2), exchange::read_object(config)["config"].dump(2)) << config;
  std::map<std::string, Tensor> ours(written.tensors.begin(), written.tensors.end());
  EXPECT_EQ(ours.size(), expected.tensors.size());
  for (const auto& [name, tensor] : expected.tensors) {
    ASSERT_TRUE(ours.contains(name)) << name;
    EXPECT_TRUE(torch::equal(ours[name], tensor)) << name;
  }
}

class AdapterHubFusion : public ::testing::TestWithParam<const char*> {};

TEST_P(AdapterHubFusion, ReadGivesTheLibrarysLogits) {
  Foreign foreign(GetParam());
  const MethodDelta delta = foreign.read();
  const Golden golden(GetParam());
  const auto model = tuned(delta, foreign.files.head);
  EXPECT_TRUE(near_golden(golden, "logits", model->forward(golden.input("a"))));
  EXPECT_TRUE(near_golden(golden, "hidden", model->hidden(golden.input("a"))));
  EXPECT_EQ(foreign.adapter.notes, std::vector<std::string>());
}

TEST_P(AdapterHubFusion, WriteGivesBackWhatWasReadWithItsMembers) {
  Foreign foreign(GetParam());
  const ForeignAdapter written = FusionExchange().write(foreign.read(), "adapterhub", "a,b", tiny_base());
  const auto directory = testing::golden_path() / GetParam() / "adapterhub";
  expect_same(written, foreign.adapter, directory / "a,b" / "adapter_fusion_config.json");
  ASSERT_EQ(written.members.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const ForeignAdapter& member = foreign.adapter.members[i];
    expect_same(written.members[i], member, directory / member.name / "adapter_config.json");
  }
  EXPECT_EQ(written.notes, std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Golden, AdapterHubFusion,
                         ::testing::Values("fusion_static", "fusion_dynamic", "fusion_houlsby", "fusion_parallel",
                                           "fusion_compacter", "fusion_inv"),
                         [](const auto& info) { return std::string(info.param); });

TEST(FusionExchange, SourcesAreTheMembersAsTheRunsTheyWouldBe) {
  const MethodDelta delta = Foreign("fusion_compacter").read();
  EXPECT_EQ(exchange::json_from(delta.settings).dump(), R"({"config":"static","sources":["a","b"]})");
  ASSERT_EQ(delta.sources.size(), 2u);
  const SourceRun& run = delta.sources[0].second;
  EXPECT_EQ(delta.sources[0].first, "a");
  EXPECT_EQ(run.name, "a");
  ASSERT_EQ(run.methods.size(), 1u);
  EXPECT_EQ(run.methods[0].name, "adapter");
  EXPECT_EQ(run.methods[0].version, "1.0.0");
  const json settings = exchange::json_from(run.methods[0].settings);
  EXPECT_EQ(settings["config"], "compacter");
  EXPECT_EQ(settings["non_linearity"], "gelu");  // with every default
  EXPECT_EQ(run.tensors.size(), 4u * 6 + 1);
  EXPECT_EQ(run.tensors.front().first, "encoder.layer.0.attention.output.LayerNorm.adapter.bottleneck.down_left");
  EXPECT_EQ(run.tensors.back().first, "encoder.layer.0.attention.output.LayerNorm.adapter.bottleneck.phm_rule");
  const std::string copy = "encoder.layer.0.attention.output.LayerNorm.adapterfusion.member_0.phm_rule";
  EXPECT_TRUE(std::ranges::any_of(delta.tensors, [&](const auto& entry) { return entry.first == copy; }));
}

TEST(FusionExchange, LayersThatTheMembersLeaveOutHaveFusionLayersThatNothingUses) {
  Foreign foreign("fusion_leave_out", "import_only");
  const MethodDelta delta = foreign.read();
  EXPECT_EQ(
      foreign.adapter.notes,
      std::vector<std::string>({"fusion 'a,b': has fusion layers where its members have no adapters; nothing ever "
                                "used them, left out"}));
  const Golden golden("fusion_leave_out");
  EXPECT_TRUE(near_golden(golden, "logits", tuned(delta, foreign.files.head)->forward(golden.input("a"))));
  // Written again, so that the library misses none.
  const ForeignAdapter written = FusionExchange().write(delta, "adapterhub", "a,b", tiny_base());
  ASSERT_EQ(written.tensors.size(), foreign.adapter.tensors.size());
  for (const auto& [name, tensor] : written.tensors) {
    const auto at = std::ranges::find(foreign.adapter.tensors, name, &std::pair<std::string, Tensor>::first);
    ASSERT_NE(at, foreign.adapter.tensors.end()) << name;
    EXPECT_EQ(tensor.sizes(), at->second.sizes()) << name;
    if (name.starts_with("encoder.layer.1.")) {
      EXPECT_TRUE(torch::equal(tensor, at->second)) << name;
    } else {
      EXPECT_EQ(testing::largest(tensor), 0) << name;
    }
  }
}

TEST(FusionExchange, ReadsOnlyFusions) {
  FusionExchange exchange;
  EXPECT_TRUE(exchange.reads(Foreign("fusion_static").adapter));
  EXPECT_FALSE(exchange.reads(Foreign("adapter_pfeiffer").adapter));
}

TEST(FusionExchange, OptionsThatDifferFromDynamicAndStaticAreKept) {
  const auto settings = [](const std::string& golden, const std::map<std::string, json>& fields) {
    Foreign foreign(golden);
    for (const auto& [field, value] : fields)
      foreign.adapter.config.set(field, testing::config_node(value));
    const MethodDelta delta = foreign.read();
    const ForeignAdapter written = FusionExchange().write(delta, "adapterhub", "a,b", tiny_base());
    for (const auto& [field, value] : fields)
      EXPECT_EQ(exchange::json_from(written.config)[field], value) << field;
    json ours = exchange::json_from(delta.settings);
    ours.erase("sources");
    return ours.dump();
  };
  EXPECT_EQ(settings("fusion_dynamic", {{"query_before_ln", true}, {"regularization", false}}),
            R"({"config":"dynamic","query_before_ln":true,"regularization":0.0})");
  EXPECT_EQ(settings("fusion_dynamic", {{"residual_before", true}, {"value_before_softmax", false}}),
            R"({"config":"dynamic","residual_before":true,"value_before_softmax":false})");
  EXPECT_EQ(settings("fusion_static", {{"regularization", true}, {"value_initialized", true}, {"dropout_prob", 0.25}}),
            R"({"config":"static","dropout_prob":0.25,"regularization":0.01,"value_initialized":true})");
}

TEST(FusionExchange, NamesOfMembersComeFromTheNameOrTheRuns) {
  MethodDelta delta = Foreign("fusion_static").read();
  const auto names = [&](const std::string& name) {
    const ForeignAdapter written = FusionExchange().write(delta, "adapterhub", name, tiny_base());
    EXPECT_TRUE(
        written.tensors.front().first.starts_with("encoder.layer.0.output.adapter_fusion_layer." + written.name));
    EXPECT_EQ(written.name, written.members[0].name + "," + written.members[1].name);
    return written.name;
  };
  EXPECT_EQ(names("mnli,qqp"), "mnli,qqp");
  EXPECT_EQ(names("my-fusion"), "a,b");
  EXPECT_EQ(names("a,b,c"), "a,b");
  EXPECT_EQ(names("a,../b"), "a,b");
  delta.sources[0].second.name = "nsmc-v1.5";
  delta.sources[1].second.name = "nsmc-v1,5";
  EXPECT_EQ(names(""), "nsmc-v1-5,nsmc-v1-5-2");
}

TEST(FusionExchange, TemperatureIsNotInTheFile) {
  Foreign foreign("fusion_static");
  foreign.adapter.config.set("temperature", {true});
  MethodDelta delta = foreign.read();
  EXPECT_EQ(delta.settings.find("temperature"), nullptr);
  EXPECT_EQ(foreign.adapter.notes,
            std::vector<std::string>({"fusion 'a,b': the file does not say how far the temperature had fallen; read as "
                                      "fallen to 1, which is temperature = false"}));
  delta.settings.set("temperature", {true});
  const std::string key = "encoder.layer.0.output.LayerNorm.adapterfusion.temperature";
  delta.tensors.emplace_back(key, torch::full({}, 12.5));
  EXPECT_EQ(
      error_of([&] { FusionExchange().write(delta, "adapterhub", "a,b", tiny_base()); }),
      "strategy.temperature: has fallen to 12.5 only, and a file of adapterhub cannot say so; it can when it is 1, "
      "after 980 steps");
  delta.tensors.back().second.fill_(1);
  const ForeignAdapter written = FusionExchange().write(delta, "adapterhub", "a,b", tiny_base());
  EXPECT_EQ(exchange::json_from(written.config)["temperature"], false);
  EXPECT_EQ(written.notes,
            std::vector<std::string>({"temperature is written as false: it had fallen to 1, and with true the library "
                                      "would start again at 50"}));
}

TEST(FusionExchange, SaysWhatOnlyTrainingThereWouldDoOtherwise) {
  MethodDelta delta = Foreign("fusion_dynamic").read();
  delta.settings.set("regularization", {0.5});
  delta.settings.set("dropout_prob", {0.0});
  const ForeignAdapter written = FusionExchange().write(delta, "adapterhub", "a,b", tiny_base());
  EXPECT_EQ(exchange::json_from(written.config)["regularization"], true);
  EXPECT_EQ(exchange::json_from(written.config)["dropout_prob"], nullptr);
  EXPECT_EQ(written.notes,
            std::vector<std::string>(
                {"regularization 0.5 is written as true, which is 0.01 when it is trained there",
                 "dropout_prob 0 cannot be said: trained there, scores are dropped at the model's attention rate"}));
}

struct Refusal {
  std::function<void(ForeignAdapter&)> change;
  std::string text;
};

TEST(FusionExchange, RefusesByNameWhatItCannotSayExactly) {
  const auto set = [](const std::string& field, const json& value) {
    return [=](ForeignAdapter& fusion) { fusion.config.set(field, testing::config_node(value)); };
  };
  const auto member = [](const std::string& field, const json& value) {
    return [=](ForeignAdapter& fusion) { fusion.members[1].config.set(field, testing::config_node(value)); };
  };
  const std::string query = "encoder.layer.0.output.adapter_fusion_layer.a,b.query.weight";
  const std::string place0 = "encoder.layer.0.output.LayerNorm", place1 = "encoder.layer.1.output.LayerNorm";
  const std::vector<Refusal> cases = {
      {set("future", "yes"),
       "golden: config.future: is \"yes\", a setting that is not known here; the file would be read as something else "
       "than it is"},
      {set("regularization", 0.5), "golden: config.regularization: must be true or false, got 0.5"},
      {set("dropout_prob", 1), "golden: config.dropout_prob: must be between 0 and 0.999999, got 1"},
      {[](ForeignAdapter& fusion) {
         std::erase_if(std::get<ConfigNode::Table>(fusion.config.value),
                       [](const auto& e) { return e.first == "key"; });
       },
       "golden: config.key: is required"},
      {[&](ForeignAdapter& fusion) { set("key", false)(fusion), set("query", false)(fusion); },
       "golden.query: is false, and so are key and value: nothing is left to train"},
      {[](ForeignAdapter& fusion) { fusion.members.pop_back(); },
       "golden.sources: must name at least two finished runs, got 1"},
      {member("architecture", "lora"),
       "golden, member 'b': is no bottleneck adapter; only bottleneck adapters can be fused"},
      {member("non_linearity", "prelu"),
       "golden, member 'b': config.non_linearity: must be one of relu, gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, "
       "swish, silu, mish, tanh, leakyrelu, leaky_relu, relu2, relu6, sigmoid, linear, got \"prelu\"; did you mean "
       "'relu'?"},
      {[](ForeignAdapter& fusion) { fusion.members[0].tensors.emplace_back("embeddings", torch::zeros({1})); },
       "golden, member 'a': tensor 'embeddings' is no part of this adapter"},
      {[](ForeignAdapter& fusion) { fusion.members[0].tensors.pop_back(); },
       "golden, member 'a': tensor 'encoder.layer.1.output.adapters.a.adapter_up.weight' is missing"},
      {[](ForeignAdapter& fusion) {
         fusion.members[1].config.set("leave_out", testing::config_node({0}));
         std::erase_if(fusion.members[1].tensors,
                       [](const auto& e) { return e.first.starts_with("encoder.layer.0."); });
       },
       "golden.sources: run 'b' has adapters at " + place1 + ", run 'a' at " + place0 + ", " + place1 +
           "; only adapters at the same places can be fused"},
      {[&](ForeignAdapter& fusion) {
         std::erase_if(fusion.tensors, [&](const auto& entry) { return entry.first == query; });
       },
       "golden: tensor '" + query + "' is missing"},
      {[&](ForeignAdapter& fusion) {
         std::ranges::find(fusion.tensors, query, &std::pair<std::string, Tensor>::first)->second =
             torch::zeros({8, 8});
       },
       "golden: tensor '" + query + "' has shape (8, 8), it must be (32, 32)"},
      {[&](ForeignAdapter& fusion) { fusion.tensors.emplace_back("encoder.layer.2.x", torch::zeros({1})); },
       "golden: tensor 'encoder.layer.2.x' is left over"},
  };
  for (const Refusal& refusal : cases) {
    Foreign foreign("fusion_static");
    refusal.change(foreign.adapter);
    EXPECT_EQ(error_of([&] { foreign.read(); }), refusal.text);
  }
}

TEST(FusionExchange, RefusesToWriteWhatThereIsNoFormFor) {
  MethodDelta delta = Foreign("fusion_static").read();
  EXPECT_EQ(error_of([&] { FusionExchange().write(delta, "peft", "x", tiny_base()); }),
            "strategy 'adapterfusion': peft has no AdapterFusion; --format adapterhub says it exactly");
  std::erase_if(delta.tensors,
                [](const auto& entry) { return entry.first.ends_with("1.output.LayerNorm.adapterfusion.key_bias"); });
  EXPECT_EQ(error_of([&] { FusionExchange().write(delta, "adapterhub", "x", tiny_base()); }),
            "the delta has no tensor 'encoder.layer.1.output.LayerNorm.adapterfusion.key_bias', as its settings "
            "say; it is damaged");
}

/// The library's adapter of a directory at its places and behind the embeddings, as strategy 'adapter' attaches it.
void attach_adapter(model::Bert& model, const std::filesystem::path& directory) {
  exchange::ForeignFiles files = exchange::read_foreign(directory);
  ForeignTensors tensors("golden", files.adapters.front().tensors);
  const MethodDelta delta = read_adapterhub_bottleneck(files.adapters.front(), tensors, model.info());
  const AdapterSettings settings{ConfigView(delta.settings)};
  const auto coupling = std::make_shared<NiceCoupling>(settings.invertible(model.info().hidden_size).value());
  attach_invertible(model, "adapter", {{"invertible", coupling}}, coupling);
  for (JunctionSite* place : settings.places(model)) {
    const auto options = settings.block(place->info().layer, model.info().hidden_size);
    AdapterStage::attach(*place, "adapter", std::make_shared<BottleneckStage>(options));
  }
  torch::NoGradGuard no_grad;
  for (const auto& [key, parameter] : model.patch_parameters())
    parameter.copy_(delta.tensor(key)).set_requires_grad(false);
}

/// MAD-X with a fusion of task adapters: each stage begins with what the language adapter gives.
TEST(FusionExchange, AFusionOnAnAdapterIsAStageAboveIt) {
  const Golden golden("stack_fusion");
  const auto setup = testing::golden_path() / "stack_fusion" / "setup";
  const auto model = tiny_model();
  attach_adapter(*model, setup / "a");
  exchange::ForeignFiles files = exchange::read_foreign(setup / "b,c");
  ForeignTensors tensors("golden", files.adapters.front().tensors);
  const MethodDelta delta = FusionExchange().read(files.adapters.front(), tensors, tiny_base());
  apply(delta, *model);
  testing::train_head(*model);
  torch::NoGradGuard no_grad;
  std::map<std::string, Tensor> ours;
  for (const auto& [key, parameter] : model->patch_parameters())
    ours.emplace(key, parameter);
  for (const auto& [key, tensor] : delta.tensors)
    ours.at(key).copy_(tensor);
  {
    const torch::AutoGradMode with_gradients(true);
    const Tensor logits = model->forward(golden.input("a"));
    EXPECT_TRUE(near_golden(golden, "logits", logits));
    model::task_loss(TaskKind::kClassification, logits, golden.at("a/labels"), 5).backward();
  }
  size_t compared = 0;
  for (const auto& [key, tensor] : golden.tensors()) {
    if (key.find("adapter_fusion_layer") == std::string::npos || !key.starts_with("grad/")) continue;
    const std::string bc = std::regex_replace(key.substr(5), std::regex("b,c"), "a,b");  // as delta_key() has it
    EXPECT_TRUE(near_golden(golden, key, ours.at(testing::delta_key(bc)).grad()));
    ++compared;
  }
  EXPECT_EQ(compared, 2u * 4u);
}

}  // namespace
}  // namespace plugtune
