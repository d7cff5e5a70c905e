// adapterfusion_test.cc - fusion of finished adapters against AdapterHub's library, its report, and every message.
#include "support/strategy.h"

namespace plugtune {
namespace {

using nlohmann::json;
using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;

/// Member `name` of a golden fusion as the finished run that it would be here.
SourceRun golden_run(const Golden& golden, const std::string& name) {
  SourceRun run;
  run.name = name;
  const json& options = golden.description().at("settings").at("members").at(name);
  run.methods.push_back({"adapter", "1.0.0", testing::config_node(testing::adapter_settings(options))});
  for (const auto& [key, tensor] : golden.tensors()) {
    const bool is_ours = key.starts_with("fixed/") && key.find("adapters." + name + ".") != std::string::npos;
    if (is_ours) run.tensors.emplace_back(testing::delta_key(key.substr(6)), tensor.clone());
  }
  return run;
}

class FusionGolden : public ::testing::TestWithParam<const char*> {
 protected:
  FusionGolden() : golden(GetParam()), model(tiny_model()) {
    strategy = make_strategy({{"sources", {"a", "b"}}, {"config", golden.description().at("settings").at("fusion")}},
                             [this](const std::string& name) { return golden_run(golden, name); });
    strategy->apply(*model);
    testing::train_head(*model);
    testing::take_start(golden, *model);
    model->eval();
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
  std::unique_ptr<Strategy> strategy;
};

TEST_P(FusionGolden, LogitsLossRegulariserAndEveryGradientEqualTheLibrary) {
  auto* auxiliary = dynamic_cast<AuxiliaryLoss*>(strategy.get());
  const bool is_static = golden.description().at("settings").at("fusion") == "static";
  testing::expect_golden_pass(golden, *model, [&] { return is_static ? Tensor() : auxiliary->auxiliary_loss(); });
}

TEST_P(FusionGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

TEST_P(FusionGolden, ReportsTheMeanAttentionOfEachMember) {
  auto* reporter = dynamic_cast<Reporter*>(strategy.get());
  model->hidden(golden.input("b"));  // before the report begins: not counted
  reporter->report_begin();
  model->train();
  model->hidden(golden.input("b"));  // training: not counted
  model->eval();
  model->hidden(golden.input("a"));
  const std::vector<ReportTable> tables = reporter->report_end();
  ASSERT_EQ(tables.size(), 1u);
  const ReportTable& table = tables.front();
  EXPECT_EQ(table.title, "AdapterFusion: mean attention to each adapter");
  EXPECT_EQ(table.columns, std::vector<std::string>({"a", "b"}));
  std::vector<Tensor> expected;
  std::vector<std::string> rows;
  for (const char* layer : {"0", "1"}) {
    for (const auto& [module, role] : {std::pair{".attention.output", " after_attention"}, {".output", " after_ffn"}}) {
      const std::string key = std::string("attention/bert.encoder.layer.") + layer + module;
      if (!golden.tensors().contains(key)) continue;
      expected.push_back(golden.at(key).to(torch::kFloat64).mean(0));
      rows.push_back(std::string("layer ") + layer + role);
    }
  }
  EXPECT_EQ(table.rows, rows);
  EXPECT_TRUE(testing::near(table.values, torch::stack(expected), 1e-6));
  EXPECT_EQ(table.values.scalar_type(), torch::kFloat64);
}

TEST_P(FusionGolden, MembersAreFrozenAndPartOfTheDelta) {
  size_t members = 0;
  for (const auto& [key, parameter] : model->patch_parameters()) {
    if (key.find(".adapterfusion.member_") == std::string::npos) continue;
    EXPECT_FALSE(parameter.requires_grad()) << key;
    ++members;
  }
  // Four tensors of each adapter at each place; six of a Compacter's, and its rule once.
  const std::map<std::string, size_t> expected = {{"fusion_houlsby", 4 * 8},
                                                  {"fusion_compacter", 4 * 10 + 1},
                                                  {"fusion_leave_out", 8},
                                                  {"fusion_inv", 2 * (8 + 8)}};
  EXPECT_EQ(members, expected.contains(GetParam()) ? expected.at(GetParam()) : 2 * 8);
}

INSTANTIATE_TEST_SUITE_P(AdapterHub, FusionGolden,
                         ::testing::Values("fusion_static", "fusion_dynamic", "fusion_houlsby", "fusion_parallel",
                                           "fusion_compacter", "fusion_leave_out", "fusion_inv"),
                         [](const auto& info) { return std::string(info.param); });

/// A finished run with random weights, tuned with these settings on a model like `model`.
SourceRun random_run(const std::string& name, const json& settings, model::Bert& model) {
  SourceRun run;
  run.name = name;
  run.methods.push_back({"adapter", "1.0.0", testing::config_node(settings)});
  const AdapterSettings adapter{ConfigView(run.methods.front().settings)};
  for (JunctionSite* place : adapter.places(model)) {
    AdapterBlock block(adapter.block(place->info().layer, model.info().hidden_size));
    for (const auto& parameter : block.named_parameters()) {
      const std::string key = place->info().path + "." + adapter.name + ".bottleneck." + parameter.key();
      run.tensors.emplace_back(key, torch::randn(parameter.value().sizes()) * 0.3);
    }
  }
  return run;
}

/// Opens runs by name: "pfeiffer", "houlsby", ... are random runs of that configuration, with a number behind it or not.
testing::OpenRun random_runs(model::Bert& model) {
  return [&model](const std::string& name) {
    const std::string config = name.substr(0, name.find_first_of("0123456789"));
    return random_run(name, {{"config", config}, {"reduction_factor", 4}}, model);
  };
}

struct Fused {
  explicit Fused(json settings, std::shared_ptr<model::Bert> of = tiny_model()) : model(std::move(of)) {
    strategy = make_strategy(settings, random_runs(*model));
    strategy->apply(*model);
    model->eval();
  }
  std::map<std::string, Tensor> parameters(JunctionSite& site) const {
    std::map<std::string, Tensor> found;
    for (const auto& parameter : site.patches().front().second->named_parameters())
      found[parameter.key()] = parameter.value();
    return found;
  }
  std::shared_ptr<model::Bert> model;
  std::unique_ptr<Strategy> strategy;
};

/// BertFusion.forward between pre_forward and post_forward, line by line as the library has it.
Tensor literal_fusion(JunctionSite& site, const JunctionIn& in, std::map<std::string, Tensor> w,
                      const std::string& kind, const json& settings, double temperature) {
  const auto ln = [&](const Tensor& v) {
    return torch::layer_norm(v, {v.size(1)}, site.weight, site.bias, site.eps());
  };
  const bool is_parallel = kind == "parallel";
  const Tensor hidden = is_parallel ? in.residual : kind == "pfeiffer" ? ln(in.h + in.residual) : in.h;
  const Tensor query = settings.value("query_before_ln", false) && !is_parallel ? in.h : hidden;
  const Tensor residual = is_parallel ? in.residual : in.h;
  std::vector<Tensor> ups;
  for (const std::string member : {"member_0.", "member_1."}) {
    Tensor down = torch::linear(hidden, w[member + "down_weight"], w[member + "down_bias"]);
    down = kind == "houlsby" ? torch::silu(down) : torch::relu(down);
    ups.push_back(torch::linear(down, w[member + "up_weight"], w[member + "up_bias"]) * (is_parallel ? 4.0 : 1.0));
  }
  Tensor value = torch::stack(ups, 1), key = value;
  if (settings.value("residual_before", false)) value = key = value + residual.unsqueeze(1);
  const Tensor query_layer =
      w.contains("query_weight") ? torch::linear(query, w["query_weight"], w["query_bias"]) : query;
  const Tensor key_layer = w.contains("key_weight") ? torch::linear(key, w["key_weight"], w["key_bias"]) : key;
  const Tensor value_layer = w.contains("value_weight") ? torch::linear(value, w["value_weight"]) : value;
  const Tensor scores = torch::matmul(query_layer.unsqueeze(1), key_layer.transpose(-2, -1)).squeeze(1);
  const Tensor probabilities = torch::softmax(scores / temperature, -1);
  Tensor context = torch::matmul(probabilities.unsqueeze(1), value_layer).squeeze(1);
  if (!settings.value("residual_before", false)) context = context + residual;
  if (is_parallel) context = context + in.h;
  return ln(context + in.residual);
}

TEST(AdapterFusion, EveryOptionComputesWhatTheLibraryWouldLineByLine) {
  const std::vector<json> variants = {json::object(),
                                      {{"config", "static"}},
                                      {{"query", false}},
                                      {{"key", false}},
                                      {{"query", false}, {"key", false}},
                                      {{"query_before_ln", true}},
                                      {{"residual_before", true}},
                                      {{"residual_before", true}, {"value_before_softmax", false}},
                                      {{"temperature", true}},
                                      {{"value_initialized", false}}};
  torch::manual_seed(5);
  const JunctionIn in{torch::randn({7, 32}), torch::randn({7, 32}), Layout({3, 4})};
  for (const std::string kind : {"pfeiffer", "houlsby", "parallel"}) {
    for (json settings : variants) {
      settings["sources"] = {kind + "1", kind + "2"};
      const Fused fused(settings);
      JunctionSite& site = fused.model->junction(Role::kAfterFfn, 1);
      const auto weights = fused.parameters(site);
      for (auto [name, parameter] : weights) {
        if (parameter.requires_grad()) parameter.data().normal_(0, 0.2);
      }
      const double temperature = settings.value("temperature", false) ? 50 : 1;
      EXPECT_TRUE(testing::near(site.forward(in), literal_fusion(site, in, weights, kind, settings, temperature), 1e-6))
          << kind << " " << settings;
    }
  }
}

TEST(AdapterFusion, StartsWithTheLibrarysInitialisation) {
  torch::manual_seed(1);
  const json settings = {{"sources", {"pfeiffer1", "pfeiffer2"}}};
  const Fused fused(settings);
  auto weights = fused.parameters(fused.model->junction(Role::kAfterFfn, 0));
  EXPECT_NEAR(weights["query_weight"].std().item<double>(), 0.02, 2e-3);
  EXPECT_NEAR(weights["key_weight"].std().item<double>(), 0.02, 2e-3);
  EXPECT_EQ(testing::largest(weights["query_bias"]), 0);
  EXPECT_TRUE(testing::near(weights["value_weight"], torch::full({32, 32}, 1e-6).fill_diagonal_(1), 0, 0));
  const double off_diagonal = 2 * 32 * 31 * 1e-12;  // of both layers
  EXPECT_NEAR(dynamic_cast<AuxiliaryLoss&>(*fused.strategy).auxiliary_loss().item<double>(), 0.01 * off_diagonal,
              1e-12);
}

TEST(AdapterFusion, ScoresAreDroppedAtTheModelsAttentionRateUnlessToldOtherwise) {
  model::BertOptions options = tiny_model()->options();
  options.attention_dropout = 0.5;
  const JunctionIn in{torch::randn({7, 32}), torch::randn({7, 32}), Layout({3, 4})};
  const auto differs_in_training = [&](json settings) {
    settings["sources"] = {"pfeiffer1", "pfeiffer2"};
    auto bert = std::make_shared<model::Bert>(options);
    bert->reset_parameters();
    const Fused fused(settings, bert);
    JunctionSite& site = fused.model->junction(Role::kAfterFfn, 1);
    for (auto [name, parameter] : fused.parameters(site))
      parameter.data().normal_(0, 0.5);
    const Tensor expected = site.forward(in);
    site.train();
    return !testing::near(site.forward(in), expected, 0, 1e-6);
  };
  EXPECT_TRUE(differs_in_training(json::object()));
  EXPECT_FALSE(differs_in_training({{"dropout_prob", 0}}));
}

TEST(AdapterFusion, TemperatureFallsStepByStepAndIsSaved) {
  const json settings = {{"sources", {"pfeiffer1", "pfeiffer2"}}, {"temperature", true}};
  const Fused fused(settings);
  const auto temperature = [&] {
    const auto buffers = fused.model->patch_buffers();
    EXPECT_EQ(buffers.front().first, "encoder.layer.0.output.LayerNorm.adapterfusion.temperature");
    return buffers.front().second.item<double>();
  };
  auto* observer = dynamic_cast<StepObserver*>(fused.strategy.get());
  EXPECT_EQ(temperature(), 50);
  observer->on_step_end(0);
  EXPECT_FLOAT_EQ(temperature(), 49.95);
  observer->on_step_end(5000);
  EXPECT_EQ(temperature(), 1);
}

TEST(AdapterFusion, CountsOfTheMultilingualModel) {
  for (const auto& [config, count] : {std::pair{"static", 14174208}, {"dynamic", 21252096}}) {
    const auto model = std::make_shared<model::Bert>(testing::base_sizes());
    const Fused fused({{"sources", {"pfeiffer1", "pfeiffer2"}}, {"config", config}}, model);
    EXPECT_EQ(testing::trainable_count(*model), count) << config;
  }
}

std::string problem(const json& settings, const testing::OpenRun& open_run) {
  return error_of([&] { make_strategy(settings, open_run)->apply(*tiny_model()); });
}

TEST(AdapterFusion, SaysWhichSourcesCannotBeFused) {
  model::BertOptions wide = tiny_model()->options();
  wide.hidden_size = 64;
  wide.head_size = 16;
  model::BertOptions deep = tiny_model()->options();
  deep.layers = 3;
  model::Bert tiny(tiny_model()->options()), wide_model(wide), deep_model(deep);
  const auto open_run = [&](const std::string& name) {
    if (name == "nowhere") throw Error("'nowhere' is not a finished run");
    SourceRun run = random_run(name, {{"config", name.starts_with("houlsby") ? "houlsby" : "pfeiffer"}},
                               name.starts_with("wide")   ? wide_model
                               : name.starts_with("deep") ? deep_model
                                                          : tiny);
    if (name == "lora") run.methods.front().name = "lora";
    if (name == "mam") run.methods.push_back({"prefix", "1.0.0", {ConfigNode::Table{}}});
    if (name == "damaged") run.tensors.pop_back();
    if (name == "newer") run.methods.front().settings.set("shape", {std::string("round")});
    return run;
  };
  const std::string place = ".output.LayerNorm", in_attention = ".attention.output.LayerNorm";
  const std::string layer0 = "encoder.layer.0", layer1 = "encoder.layer.1";
  const std::vector<std::pair<json, std::string>> cases = {
      {json::object(), "strategy.sources: is required: the finished runs to start from"},
      {{{"sources", {"a"}}}, "strategy.sources: must name at least two finished runs, got 1"},
      {{{"sources", {"a", "nowhere"}}}, "strategy.sources: 'nowhere' is not a finished run"},
      {{{"sources", {"a", "lora"}}},
       "strategy.sources: run 'lora' has no adapter, it was tuned with 'lora'; a source must be tuned with strategy "
       "'adapter'"},
      {{{"sources", {"a", "mam"}}},
       "strategy.sources: run 'mam' was tuned with 'adapter', 'prefix'; a source must be tuned with one strategy "
       "'adapter' and "
       "nothing else"},
      {{{"sources", {"a", "houlsby"}}},
       "strategy.sources: run 'houlsby' has adapters at " + layer0 + in_attention + ", " + layer0 + place + ", " +
           layer1 + in_attention + ", " + layer1 + place + ", run 'a' at " + layer0 + place + ", " + layer1 + place +
           "; only adapters at the same places can be fused"},
      {{{"sources", {"a", "wide"}}},
       "strategy.sources: run 'wide' has adapters for hidden size 64, run 'a' for 32; only adapters of the same model "
       "can be fused"},
      {{{"sources", {"wide1", "wide2"}}},
       "strategy.sources: run 'wide1' has adapters for hidden size 64, this model has 32"},
      {{{"sources", {"deep1", "deep2"}}},
       "strategy.sources: run 'deep1' has adapters at " + layer0 + place + ", " + layer1 + place + ", encoder.layer.2" +
           place + ", and this model does not have all of these places"},
      {{{"sources", {"a", "damaged"}}},
       "strategy.sources: run 'damaged' has no tensor up_bias of shape [32] at encoder.layer.1.output.LayerNorm, as "
       "its settings say; "
       "its delta is damaged, train it again"},
      {{{"sources", {"a", "newer"}}},
       "run 'newer'.shape: unknown key; keys of strategy 'adapter': config, mh_adapter, output_adapter, "
       "reduction_factor, "
       "leave_out, is_parallel, original_ln_before, original_ln_after, residual_before_ln, ln_before, ln_after, "
       "adapter_residual_before_ln, use_gating, stochastic_depth, non_linearity, dropout, init_weights, scaling, "
       "phm_layer, inv_adapter, inv_adapter_reduction_factor, inv_adapter_non_linearity, name"},
      {{{"sources", {"a", "b"}}, {"confg", "static"}},
       "strategy.confg: unknown key; did you mean 'config'? keys of strategy 'adapterfusion': sources, config, query, "
       "key, value, "
       "query_before_ln, residual_before, temperature, value_initialized, regularization, value_before_softmax, "
       "dropout_prob, name"},
      {{{"sources", {"a", "b"}}, {"config", "static"}, {"query", false}, {"key", false}},
       "strategy.query: is false, and so are key and value: nothing is left to train"},
      {{{"sources", {"a", "b"}}, {"dropout_prob", 1}}, "strategy.dropout_prob: must be between 0 and 0.999999, got 1"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(problem(settings, open_run), text);
}

}  // namespace
}  // namespace plugtune
