// exchange_test.cc - adapters of AdapterHub's library: the same logits, the same files when they leave, and every refusal.
#include "exchange.h"

#include "exchange/foreign_files.h"
#include "exchange/json_config.h"
#include "support/strategy.h"
#include "train/delta.h"

namespace plugtune {
namespace {

using nlohmann::json;
using testing::error_of;
using testing::Golden;
using testing::tiny_model;

ExchangeBase tiny_base() { return {tiny_model()->info(), {}}; }

/// The library's directory as the host hands it over.
struct Foreign {
  explicit Foreign(const std::string& golden_case, const std::string& folder = "adapterhub")
      : files(exchange::read_foreign(testing::golden_path() / golden_case / folder)),
        adapter(files.adapters.front()) {}

  /// What read() gives; strict as the host is.
  MethodDelta read() {
    adapter::AdapterExchange exchange;
    EXPECT_TRUE(exchange.reads(adapter));
    ForeignTensors tensors("golden", adapter.tensors);
    MethodDelta delta = exchange.read(adapter, tensors, tiny_base());
    for (const std::string& name : tensors.unread())
      tensors.problem("tensor '" + name + "' is left over");
    tensors.throw_if_problems();
    return delta;
  }
  Foreign& set(const std::string& field, const json& value) {
    adapter.config.set(field, testing::config_node(value));
    return *this;
  }
  Foreign& erase(const std::string& field) {
    std::erase_if(std::get<ConfigNode::Table>(adapter.config.value), [&](const auto& e) { return e.first == field; });
    return *this;
  }
  Tensor& tensor(const std::string& name) {
    return std::ranges::find(adapter.tensors, name, &std::pair<std::string, Tensor>::first)->second;
  }

  exchange::ForeignFiles files;
  ForeignAdapter& adapter;
};

std::shared_ptr<model::Bert> tuned(const MethodDelta& delta, const formats::NamedTensors& head) {
  auto model = tiny_model();
  const ConfigView view(delta.settings, {"strategy", "strategy 'adapter'", "", {}});
  std::unique_ptr<Strategy>(plugtune_plugin.items[0].create_strategy(view))->apply(*model);
  formats::NamedTensors all = head;
  all.insert(delta.tensors.begin(), delta.tensors.end());
  train::load_delta(*model, all, "delta");  // every tensor, and no other
  return model;
}

/// The tiny classifier, which the library had too when it read files without a head.
formats::NamedTensors tiny_head() {
  const auto tiny = tiny_model();
  formats::NamedTensors head;
  for (const auto& [name, parameter] : tiny->own_parameters())
    if (name.starts_with("classifier.")) head.emplace(name, parameter.detach());
  return head;
}

std::vector<std::string> library_cases() {
  std::vector<std::string> cases;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(testing::golden_path())) {
    const std::string name = entry.path().parent_path().lexically_relative(testing::golden_path()).string();
    if (entry.path().filename() == "adapterhub" && name.starts_with("adapter_")) cases.push_back(name);
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

class AdapterHub : public ::testing::TestWithParam<std::string> {};

TEST_P(AdapterHub, ReadGivesTheLibrarysLogits) {
  Foreign foreign(GetParam());
  const MethodDelta delta = foreign.read();
  const Golden golden(GetParam());
  const auto model = tuned(delta, foreign.files.head);
  EXPECT_TRUE(near_golden(golden, "logits", model->forward(golden.input("a"))));
  EXPECT_TRUE(near_golden(golden, "hidden", model->hidden(golden.input("a"))));
  EXPECT_EQ(foreign.adapter.notes, std::vector<std::string>());
}

TEST_P(AdapterHub, WriteGivesBackWhatWasRead) {
  Foreign foreign(GetParam());
  const ForeignAdapter written = adapter::AdapterExchange().write(foreign.read(), "adapterhub", "golden", tiny_base());
  json expected = exchange::read_object(testing::golden_path() / GetParam() / "adapterhub" / "adapter_config.json");
  EXPECT_EQ(exchange::json_from(written.config).dump(2),
            expected["config"].dump(2));  // 4 and 4.0 are not the same here
  std::map<std::string, Tensor> ours(written.tensors.begin(), written.tensors.end());
  EXPECT_EQ(ours.size(), written.tensors.size());
  for (const auto& [name, tensor] : foreign.adapter.tensors) {
    ASSERT_TRUE(ours.contains(name)) << name;
    EXPECT_TRUE(torch::equal(ours[name], tensor)) << name;
    ours.erase(name);
  }
  for (const auto& [name, tensor] : ours)
    ADD_FAILURE() << name << " was not there";
  EXPECT_EQ(written.notes, std::vector<std::string>());
  EXPECT_EQ(written.name, "golden");
}

INSTANTIATE_TEST_SUITE_P(Golden, AdapterHub, ::testing::ValuesIn(library_cases()),
                         [](const auto& info) { return info.param.substr(info.param.find('/') + 1); });

TEST(AdapterExchange, SettingsAreTheNearestNamedConfigurationAndWhatDiffers) {
  const auto settings = [](const std::string& golden) {
    return exchange::json_from(Foreign(golden).read().settings).dump();
  };
  EXPECT_EQ(settings("adapter_pfeiffer"), R"({"config":"pfeiffer","reduction_factor":4.0})");
  EXPECT_EQ(settings("adapter_houlsby"), R"({"config":"houlsby","reduction_factor":4.0})");
  EXPECT_EQ(settings("adapter_parallel"), R"({"config":"parallel","init_weights":"mam_adapter"})");
  EXPECT_EQ(settings("adapter_compacter"), R"({"config":"compacter","reduction_factor":4.0})");
  EXPECT_EQ(settings("adapter_compacter_plus"),
            R"({"config":"compacter++","phm_dim":2,"phm_rank":2,"reduction_factor":4.0,"scaling":"learned"})");
  EXPECT_EQ(settings("adapter_pfeiffer_inv"), R"({"config":"pfeiffer+inv","reduction_factor":4.0})");
  EXPECT_EQ(settings("adapter_houlsby_inv"),
            R"({"config":"houlsby+inv","inv_adapter_reduction_factor":4.0,"reduction_factor":4.0})");
  EXPECT_EQ(settings("adapter_options/map_and_leave_out"),
            R"({"config":"houlsby","leave_out":[0],"reduction_factor":{"1":2,"default":8}})");
}

TEST(AdapterExchange, ReadsOnlyBottlenecksOfAdapterHub) {
  const adapter::AdapterExchange exchange;
  ForeignAdapter adapter = Foreign("adapter_pfeiffer").adapter;
  EXPECT_TRUE(exchange.reads(adapter));
  adapter.config.set("architecture", {std::string("lora")});
  EXPECT_FALSE(exchange.reads(adapter));
  adapter = Foreign("adapter_pfeiffer").adapter;
  adapter.format = "peft";
  EXPECT_FALSE(exchange.reads(adapter));
  EXPECT_FALSE(exchange.reads(Foreign("fusion_static").adapter));
}

TEST(AdapterExchange, PatchesOfAnotherNameAreWrittenToo) {
  MethodDelta delta = Foreign("adapter_houlsby").read();
  delta.settings.set("name", {std::string("second")});
  for (auto& [key, tensor] : delta.tensors)
    key = std::regex_replace(key, std::regex(R"(\.adapter\.bottleneck)"), ".second.bottleneck");
  const ForeignAdapter written = adapter::AdapterExchange().write(delta, "adapterhub", "task", tiny_base());
  EXPECT_EQ(written.tensors.front().first, "encoder.layer.0.attention.output.adapters.task.adapter_down.0.weight");
  EXPECT_EQ(written.tensors.size(), 16u);
}

TEST(AdapterExchange, LegacyFilesMeanWhatTheirTimeMeant) {
  Foreign foreign("adapter_legacy", "import_only");
  const MethodDelta delta = foreign.read();
  EXPECT_EQ(exchange::json_from(delta.settings).dump(),
            R"({"config":"houlsby","non_linearity":"gelu_new","reduction_factor":4.0})");
  EXPECT_EQ(
      foreign.adapter.notes,
      std::vector<std::string>({"adapter 'golden': its configuration names an invertible adapter ('nice') that it "
                                "does not have; left out, as the library does"}));
  const Golden golden("adapter_legacy");
  EXPECT_TRUE(near_golden(golden, "logits", tuned(delta, tiny_head())->forward(golden.input("a"))));

  const auto activation = [](const std::string& version, const std::string& name) {
    const MethodDelta read = Foreign("adapter_pfeiffer").set("version", version).set("non_linearity", name).read();
    const ConfigNode* node = read.settings.find("non_linearity");
    return node == nullptr ? "relu" : std::get<std::string>(node->value);
  };
  EXPECT_EQ(activation("", "gelu"), "gelu_new");
  EXPECT_EQ(activation("", "gelu_orig"), "gelu");
  EXPECT_EQ(activation("", "ReLU"), "relu");
  EXPECT_EQ(activation("3.1.0", "gelu"), "gelu");
  EXPECT_EQ(activation("adapters.1.3.0", "GELU"), "gelu");
}

TEST(AdapterExchange, LanguageAdaptersOfAdapterTransformersBringTheirInvertibleLayer) {
  Foreign foreign("adapter_legacy_lang", "import_only");
  const MethodDelta delta = foreign.read();
  EXPECT_EQ(exchange::json_from(delta.settings).dump(), R"({"config":"pfeiffer+inv","reduction_factor":2.0})");
  EXPECT_EQ(foreign.adapter.notes, std::vector<std::string>());
  const Golden golden("adapter_legacy_lang");
  EXPECT_TRUE(near_golden(golden, "logits", tuned(delta, tiny_head())->forward(golden.input("a"))));
}

TEST(AdapterExchange, KeepsTheActivationThatAnInvertibleLayerOfThatTimeWasTrainedWith) {
  Foreign foreign("adapter_legacy_lang", "import_only");
  const json nested = {{"block_type", "nice"}, {"non_linearity", "GELU"}, {"reduction_factor", 2}};
  const MethodDelta delta = foreign.set("invertible_adapter", nested).read();
  EXPECT_EQ(exchange::json_from(delta.settings).dump(),
            R"({"config":"pfeiffer+inv","inv_adapter_non_linearity":"gelu_new","reduction_factor":2.0})");
  EXPECT_EQ(foreign.adapter.notes,
            std::vector<std::string>({"adapter 'golden': its invertible adapter was trained with gelu_new and is read "
                                      "so; today's library computes it with relu, as the rest of the adapter"}));
  EXPECT_EQ(error_of([&] { adapter::AdapterExchange().write(delta, "adapterhub", "x", tiny_base()); }),
            "strategy.inv_adapter_non_linearity: is \"gelu_new\", and AdapterHub's library computes an invertible "
            "adapter with the adapter's non_linearity, \"relu\"; a file of adapterhub cannot say it");
}

TEST(AdapterExchange, FieldsBeforeVersionOneHadCapitals) {
  Foreign foreign("adapter_pfeiffer");
  for (const char* field : {"mh_adapter", "output_adapter", "ln_before", "ln_after"})
    foreign.erase(field);
  foreign.set("MH_Adapter", false).set("Output_Adapter", true).set("LN_before", false).set("LN_after", false);
  foreign.set("version", "").set("attention_type", "sent-lvl-dynamic").set("new_attention_norm", false);
  EXPECT_EQ(exchange::json_from(foreign.read().settings).dump(), R"({"config":"pfeiffer","reduction_factor":4.0})");
}

TEST(AdapterExchange, AbsentFieldsHaveTheLibrarysDefaultsNotOurs) {
  const MethodDelta delta = Foreign("adapter_houlsby").erase("original_ln_before").erase("scaling").read();
  EXPECT_EQ(exchange::json_from(delta.settings).dump(), R"({"config":"houlsby","reduction_factor":4.0})");
}

TEST(AdapterExchange, SaysWhatItDoesNotKeep) {
  Foreign foreign("adapter_pfeiffer");
  foreign.set("cross_adapter", true).set("init_weights_seed", 5).read();
  EXPECT_EQ(foreign.adapter.notes,
            std::vector<std::string>({"adapter 'golden': cross_adapter has no effect in an encoder; not kept",
                                      "adapter 'golden': init_weights_seed is not kept: the adapter is made already"}));
}

TEST(AdapterExchange, AWidthThatTheLibraryWouldRefuseIsWrittenAsAFactorThatItTakes) {
  const auto written = [](double factor) {
    const json settings = {{"config", "compacter++"}, {"reduction_factor", factor}};
    const auto model = tiny_model();
    testing::make_strategy(settings)->apply(*model);
    MethodDelta delta{testing::config_node(settings), {}, {}};
    for (const auto& [key, parameter] : model->patch_parameters())
      delta.tensors.emplace_back(key, parameter.detach());
    return adapter::AdapterExchange().write(delta, "adapterhub", "x", tiny_base());
  };
  EXPECT_EQ(exchange::json_from(written(32).config)["reduction_factor"].dump(), "8");  // width 4, not 1
  EXPECT_EQ(written(32).notes, std::vector<std::string>({"reduction_factor is written as the one that gives the same "
                                                         "width without rounding to phm_dim"}));
  EXPECT_EQ(exchange::json_from(written(3).config)["reduction_factor"].dump(), "4");  // 8, not 10
  EXPECT_EQ(exchange::json_from(written(2).config)["reduction_factor"].dump(), "2");
  EXPECT_EQ(written(2).notes, std::vector<std::string>());
}

struct Refusal {
  std::function<void(Foreign&)> change;
  std::string text;
};

TEST(AdapterExchange, RefusesByNameWhatItCannotSayExactly) {
  const std::string in = "golden: config.",
                    unknown = ", a setting that is not known here; the file would be read as something else than it is";
  const auto set = [](const std::string& field, const json& value) {
    return [=](Foreign& foreign) { foreign.set(field, value); };
  };
  const auto erase = [](const std::string& field) { return [=](Foreign& foreign) { foreign.erase(field); }; };
  const std::string phm = ", the only form of PHM layers that is known here (Compacter's), got ";
  const std::string down = "encoder.layer.0.output.adapters.golden.adapter_down.0.";
  const std::vector<Refusal> cases = {
      {set("inv_adapter", "nice"), in + "inv_adapter_reduction_factor: is required with inv_adapter"},
      {[](Foreign& foreign) { foreign.set("inv_adapter", "nice").set("inv_adapter_reduction_factor", 2); },
       "golden: tensor 'invertible_adapters.golden.F.0.weight' is missing"},
      {[](Foreign& foreign) { foreign.set("inv_adapter", "nice").set("inv_adapter_reduction_factor", 1e-300); },
       "golden: tensor 'invertible_adapters.golden.F.0.weight' is missing"},
      {[](Foreign& foreign) { foreign.set("inv_adapter", "nice").set("inv_adapter_reduction_factor", 32); },
       in + "inv_adapter_reduction_factor: must be at most 16, half of the model's hidden size, got 32"},
      {[](Foreign& foreign) { foreign.set("inv_adapter", "glow").set("inv_adapter_reduction_factor", 2); },
       in + "inv_adapter: must be \"nice\" or \"\" (none); \"glow\" fails on every text in AdapterHub's own library"},
      {[](Foreign& foreign) {
         foreign.adapter.tensors.emplace_back("invertible_adapters.golden.F.0.weight", torch::zeros({8, 16}));
       },
       "golden: tensor 'invertible_adapters.golden.F.0.weight' is left over"},
      {set("inv_adapter_non_linearity", "tanh"), in + "inv_adapter_non_linearity: is a setting that is not known here; "
                                                      "the file would be read as something else than it is"},
      {set("non_linearity", "prelu"),
       in + "non_linearity: must be one of relu, gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, swish, silu, mish, "
            "tanh, "
            "leakyrelu, leaky_relu, relu2, relu6, sigmoid, linear, got \"prelu\"; did you mean 'relu'?"},
      {set("future", 2.5), in + "future: is 2.5" + unknown},
      {set("future", "yes"), in + "future: is \"yes\"" + unknown},
      {set("config", "houlsby"),
       in + "config: is a setting that is not known here; the file would be read as something else than it is"},
      {set("name", "mine"), in + "name: is a setting that is not known here; the file would be read as something else "
                                 "than it is"},
      {erase("mh_adapter"), in + "mh_adapter: is required"},
      {erase("reduction_factor"), in + "reduction_factor: is required"},
      {set("reduction_factor", 0), in + "reduction_factor: must be greater than 0, got 0"},
      {set("reduction_factor", {{"0", 4}}),
       in + "reduction_factor: has neither \"1\" nor \"default\": how wide is the adapter there?"},
      {set("reduction_factor", {{"7", 4}, {"default", 4}}),
       in + "reduction_factor: the model has layers 0 to 1, got 7"},
      {set("leave_out", {11}), in + "leave_out: the model has layers 0 to 1, got 11"},
      {set("scaling", "learnt"),
       in + "scaling: must be a number, \"learned\" or \"channel\", got \"learnt\"; did you mean 'learned'?"},
      {set("ln_before", "yes"), in + "ln_before: must be true or false, got \"yes\""},
      {set("dropout", 1), in + "dropout: must be between 0 and 0.999999, got 1"},
      {set("cross_adapter", 1), in + "cross_adapter: must be true or false, got 1"},
      {set("output_adapter", false),
       in + "output_adapter: is false, and so is mh_adapter: there is no place left for an adapter"},
      {[](Foreign& foreign) { foreign.set("phm_layer", true).set("shared_W_phm", true).set("phm_bias", false); },
       in + "shared_W_phm: must be false" + phm + "true\n" + in + "phm_bias: must be true" + phm + "false"},
      {[](Foreign& foreign) { foreign.set("phm_layer", true).set("init_weights", "houlsby"); },
       in + "init_weights: must be \"bert\" with phm_layer, whose weights have an initialisation of their own"},
      {set("mh_adapter", true),
       "golden: tensor 'encoder.layer.0.attention.output.adapters.golden.adapter_down.0.weight' is missing"},
      {[&](Foreign& foreign) {
         foreign.tensor(down + "weight") = torch::zeros({4, 32});
       },
       "golden: tensor '" + down + "weight' has shape (4, 32), it must be (8, 32)"},
      {set("reduction_factor", 1e-300), "golden: tensor '" + down +
                                            "weight' has shape (8, 32), it must be "
                                            "(1000000000000000, 32)"},
      {set("leave_out", {0}), "golden: tensor '" + down + "bias' is left over"},
      {set("use_gating", true), "golden: tensor 'encoder.layer.0.output.adapters.golden.gate.weight' is missing"},
  };
  for (const Refusal& refusal : cases) {
    Foreign foreign("adapter_pfeiffer");
    refusal.change(foreign);
    const std::string text = error_of([&] { foreign.read(); });
    // Of damaged tensors the first line is enough: each place says the same.
    EXPECT_EQ(refusal.text.find('\n') == std::string::npos ? text.substr(0, text.find('\n')) : text, refusal.text);
  }
}

TEST(AdapterExchange, ASecondNameMustHoldTheSameTensor) {
  Foreign foreign("adapter_options/ln_before");
  const std::string layer = "encoder.layer.1.output.adapters.golden.";
  foreign.tensor(layer + "adapter_down.0.weight") = torch::zeros({32});
  EXPECT_EQ(error_of([&] { foreign.read(); }), "golden: tensor '" + layer + "adapter_down.0.weight' differs from '" +
                                                   layer + "adapter_norm_before.weight', whose second name it is");
}

TEST(AdapterExchange, RefusesToWriteWhatThereIsNoFormFor) {
  const MethodDelta delta = Foreign("adapter_pfeiffer").read();
  const adapter::AdapterExchange exchange;
  EXPECT_EQ(error_of([&] { exchange.write(delta, "peft", "x", tiny_base()); }),
            "strategy 'adapter': peft has no bottleneck adapters; --format adapterhub says them exactly");
  MethodDelta damaged = delta;
  damaged.tensors.pop_back();
  EXPECT_EQ(error_of([&] { exchange.write(damaged, "adapterhub", "x", tiny_base()); }),
            "the delta has no tensor 'encoder.layer.1.output.LayerNorm.adapter.bottleneck.up_bias', as its settings "
            "say; it is damaged");
}

}  // namespace
}  // namespace plugtune
