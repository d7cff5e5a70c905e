// adapter_test.cc - every option of bottleneck adapters against AdapterHub's library, and every message.
#include <filesystem>

#include "support/strategy.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;

/// The named configurations, and every variant of tests/golden/adapter_options.
std::vector<std::string> golden_cases() {
  std::vector<std::string> cases = {"adapter_pfeiffer",        "adapter_houlsby",      "adapter_parallel",
                                    "adapter_scaled_parallel", "adapter_plus",         "adapter_compacter",
                                    "adapter_compacter_plus",  "adapter_pfeiffer_inv", "adapter_houlsby_inv"};
  for (const auto& entry : std::filesystem::directory_iterator(testing::golden_path() / "adapter_options"))
    cases.push_back("adapter_options/" + entry.path().filename().string());
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::shared_ptr<model::Bert> tuned(const nlohmann::json& settings) {
  auto model = tiny_model();
  make_strategy(settings)->apply(*model);
  testing::train_head(*model);
  model->eval();
  return model;
}

class AdapterGolden : public ::testing::TestWithParam<std::string> {
 protected:
  AdapterGolden() : golden(GetParam()), model(tuned(testing::adapter_settings(golden.description().at("settings")))) {
    testing::take_start(golden, *model);
    take_fixed();
  }
  /// Frozen parameters of patches: Compacter's rule with learn_phm = false.
  void take_fixed() {
    torch::NoGradGuard no_grad;
    for (const auto& [key, parameter] : model->patch_parameters()) {
      for (const auto& [name, tensor] : golden.tensors())
        if (name.starts_with("fixed/") && testing::delta_key(name.substr(6)) == key) parameter.copy_(tensor);
    }
  }
  const Golden golden;
  const std::shared_ptr<model::Bert> model;
};

TEST_P(AdapterGolden, LogitsLossAndEveryGradientEqualTheLibrary) { testing::expect_golden_pass(golden, *model); }

TEST_P(AdapterGolden, PackedBatchEqualsEachSequenceAlone) { testing::expect_packed_equals_alone(*model); }

TEST_P(AdapterGolden, FirstRowsOnlyGivesTheLogitsOfAllRows) {
  const Tensor logits = model->forward(golden.input("a"));
  model->set_first_rows_only(false);
  EXPECT_TRUE(testing::near(model->forward(golden.input("a")), logits, 1e-7, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(AdapterHub, AdapterGolden, ::testing::ValuesIn(golden_cases()),
                         [](const auto& info) { return info.param.substr(info.param.find('/') + 1); });

/// What the library writes for its configuration of that name, as settings.
nlohmann::json library_settings(const std::string& golden) {
  return testing::adapter_settings(Golden(golden).description().at("settings"));
}

TEST(Adapter, NamedConfigurationsAreTheLibrarys) {
  // Giving every option of the library's configuration over the named one changes nothing: same modules, same numbers.
  const std::vector<std::pair<std::string, std::string>> cases = {{"pfeiffer", "adapter_pfeiffer"},
                                                                  {"seq_bn", "adapter_pfeiffer"},
                                                                  {"houlsby", "adapter_houlsby"},
                                                                  {"double_seq_bn", "adapter_houlsby"},
                                                                  {"parallel", "adapter_parallel"},
                                                                  {"par_bn", "adapter_parallel"},
                                                                  {"scaled_parallel", "adapter_scaled_parallel"},
                                                                  {"scaled_par_bn", "adapter_scaled_parallel"},
                                                                  {"adapter_plus", "adapter_plus"},
                                                                  {"pfeiffer+inv", "adapter_pfeiffer_inv"},
                                                                  {"seq_bn_inv", "adapter_pfeiffer_inv"},
                                                                  {"houlsby+inv", "adapter_houlsby_inv"},
                                                                  {"double_seq_bn_inv", "adapter_houlsby_inv"}};
  for (const auto& [name, golden] : cases) {
    const nlohmann::json library = library_settings(golden);
    nlohmann::json named = {{"config", name}, {"reduction_factor", library.at("reduction_factor")}};
    if (name == "adapter_plus") named["stochastic_depth"] = 0.0;  // as the golden was made
    if (golden == "adapter_houlsby_inv") named["inv_adapter_reduction_factor"] = 4;
    const auto a = tuned(named), b = tuned(library);
    testing::take_start(Golden(golden), *a);
    testing::take_start(Golden(golden), *b);
    const auto input = Golden(golden).input("b");
    EXPECT_TRUE(testing::near(a->forward(input), b->forward(input), 0, 0)) << name;
  }
}

TEST(Adapter, ParallelConfigurationsStartAsTheIdentityOthersDoNot) {
  const auto input = Golden("adapter_pfeiffer").input("a");
  const Tensor bare = tiny_model()->forward(input);
  for (const char* name : {"parallel", "scaled_parallel"})
    EXPECT_TRUE(testing::near(tuned({{"config", name}})->forward(input), bare, 0, 1e-6)) << name;
  for (const char* name : {"pfeiffer", "houlsby", "adapter_plus"})
    EXPECT_FALSE(testing::near(tuned({{"config", name}})->forward(input), bare, 0, 1e-6)) << name;
  EXPECT_TRUE(plugtune_plugin.items[0].flags & PLUGTUNE_FLAG_NOT_IDENTITY);
}

TEST(Adapter, CountsOfTheMultilingualModel) {
  const std::vector<std::pair<nlohmann::json, int64_t>> cases = {
      {{{"config", "pfeiffer"}}, 894528},
      {{{"config", "houlsby"}}, 1789056},
      {{{"config", "parallel"}}, 7091712},
      {{{"config", "scaled_parallel"}}, 7091712 + 12},
      {{{"config", "adapter_plus"}}, 12 * (768 * 8 * 2 + 8 + 768 + 768)},
      {{{"config", "compacter++"}}, 12 * 2 * (768 + 24) + 12 * (768 + 24) + 64},
      {{{"config", "compacter"}}, 2 * 12 * 3 * (768 + 24) + 64},
      {{{"config", "pfeiffer+inv"}}, 894528 + 2 * (2 * 384 * 192 + 192 + 384)}};
  for (const auto& [settings, count] : cases) {
    model::Bert model(testing::base_sizes());
    make_strategy(settings)->apply(model);
    EXPECT_EQ(testing::trainable_count(model), count) << settings;
  }
}

TEST(Adapter, CompacterHasOneRuleForAllPlacesAndSavesItOnce) {
  const auto model = tuned({{"config", "compacter"}, {"reduction_factor", 4}});
  int64_t rules = 0;
  for (const auto& [key, parameter] : model->patch_parameters()) {
    if (!key.ends_with("phm_rule")) continue;
    EXPECT_EQ(key, "encoder.layer.0.attention.output.LayerNorm.adapter.bottleneck.phm_rule");
    ++rules;
    torch::NoGradGuard no_grad;
    parameter.zero_();
  }
  EXPECT_EQ(rules, 1);
  // Without a rule every projection is its bias, which is 0 at the start: all four places see that.
  const auto input = Golden("adapter_compacter").input("a");
  EXPECT_TRUE(testing::near(model->forward(input), tiny_model()->forward(input), 0, 1e-6));
}

TEST(Adapter, TheRuleOfCompacterStaysSharedWhenTheModelChangesItsType) {
  const auto model = tuned({{"config", "compacter++"}, {"reduction_factor", 4}});
  model->to(torch::kFloat64);
  const auto input = Golden("adapter_compacter").input("a");
  EXPECT_EQ(model->forward(input).scalar_type(),
            torch::kFloat64);  // a place with the old rule would refuse to multiply
}

TEST(Adapter, WidthsOfCompacterAreMultiplesOfTheRulesSize) {
  EXPECT_EQ(bottleneck_width(768, 32, 4), 24);  // as the library, which refuses what follows
  EXPECT_EQ(bottleneck_width(312, 32, 4), 8);
  EXPECT_EQ(bottleneck_width(32, 32, 4), 4);
  EXPECT_EQ(bottleneck_width(32, 1e-300), int64_t{1000000000000000});
}

TEST(Adapter, CompacterStartsAsTheLibrarys) {
  torch::manual_seed(1);
  PhmOptions phm;
  phm.dim = 4;
  const Bottleneck block({.hidden_size = 512, .width = 256, .phm = phm});
  const double glorot = std::sqrt(2.0 / (512 / 4 + 1));
  EXPECT_NEAR(block.down_left.std().item<double>(), glorot, 0.1 * glorot);
  EXPECT_NEAR(block.up_right.std().item<double>(), glorot, 0.1 * glorot);
  EXPECT_NEAR(block.phm_rule.std().item<double>(), 1e-4, 3e-5);
  EXPECT_EQ(testing::largest(block.down_bias), 0);
  phm.uniform_rule = true;
  const Bottleneck uniform({.hidden_size = 16, .width = 8, .phm = phm});
  EXPECT_GT(testing::largest(uniform.phm_rule), 0.5);
  EXPECT_LE(testing::largest(uniform.phm_rule), 1);
}

TEST(Adapter, StochasticDepthDropsTheUpdatesOfWholeSequences) {
  torch::manual_seed(3);
  AdapterBlockOptions options;
  options.bottleneck = {.hidden_size = 8, .width = 4};
  options.stochastic_depth = 0.5;
  AdapterBlock block(options);
  const Layout layout(std::vector<int64_t>(64, 3));
  const Tensor z = torch::randn({layout.rows(), 8});
  block.eval();
  const Tensor whole = block.update(z, layout).view({64, 3 * 8});
  block.train();
  const Tensor dropped = block.update(z, layout).view({64, 3 * 8});
  int64_t kept = 0;
  for (int64_t b = 0; b < 64; ++b) {
    const bool is_kept = dropped[b].any().item<bool>();
    EXPECT_TRUE(testing::near(dropped[b], whole[b] * (is_kept ? 2 : 0), 0, 1e-6)) << b;
    kept += is_kept;
  }
  EXPECT_GT(kept, 16);
  EXPECT_LT(kept, 48);
}

TEST(Adapter, DropoutIsOnlyInTraining) {
  const auto input = Golden("adapter_pfeiffer").input("a");
  torch::manual_seed(1);
  const auto plain = tuned({});
  torch::manual_seed(1);
  const auto dropping = tuned({{"dropout", 0.5}});
  EXPECT_TRUE(testing::near(dropping->forward(input), plain->forward(input), 0, 0));
  dropping->train();
  EXPECT_FALSE(testing::near(dropping->forward(input), plain->forward(input), 0, 1e-6));
}

TEST(Adapter, HoulsbyInitialisationIsATruncatedNormal) {
  torch::manual_seed(1);
  const Bottleneck block({.hidden_size = 512, .width = 256, .init = BottleneckInit::kHoulsby});
  EXPECT_LE(block.up_weight.abs().max().item<double>(), 0.02);
  EXPECT_NEAR(block.up_weight.std().item<double>(), 0.0088, 1e-4);  // 0.01 cut at two deviations
}

TEST(Adapter, SaysWhatIsWrongWithItsSettings) {
  const std::string layers = "the model has layers 0 to 1, got ";
  const std::vector<std::pair<nlohmann::json, std::string>> cases = {
      {{{"reduction", 16}},
       "strategy.reduction: unknown key; keys of strategy 'adapter': config, mh_adapter, output_adapter, "
       "reduction_factor, leave_out, "
       "is_parallel, original_ln_before, original_ln_after, residual_before_ln, ln_before, ln_after, "
       "adapter_residual_before_ln, "
       "use_gating, stochastic_depth, non_linearity, dropout, init_weights, scaling, phm_layer, inv_adapter, "
       "inv_adapter_reduction_factor, inv_adapter_non_linearity, name"},
      {{{"config", "pfeifer"}},
       "strategy.config: must be one of pfeiffer, seq_bn, houlsby, double_seq_bn, parallel, par_bn, scaled_parallel, "
       "scaled_par_bn, "
       "adapter_plus, compacter, compacter++, pfeiffer+inv, seq_bn_inv, houlsby+inv, double_seq_bn_inv, got "
       "\"pfeifer\"; did you mean 'pfeiffer'?"},
      {{{"scaling", "learnt"}, {"residual_before_ln", "postadd"}},
       "strategy.residual_before_ln: must be true, false or \"post_add\", got \"postadd\"; did you mean 'post_add'?\n"
       "strategy.scaling: must be a number, \"learned\" or \"channel\", got \"learnt\"; did you mean 'learned'?"},
      {{{"reduction_factor", 0}}, "strategy.reduction_factor: must be greater than 0, got 0"},
      {{{"reduction_factor", {{"first", 2}}}},
       "strategy.reduction_factor: must name layers (\"0\", \"1\", ...) and \"default\", got 'first'"},
      {{{"reduction_factor", {{"1", 8}}}},
       "strategy.reduction_factor: has neither \"0\" nor \"default\": how wide is the adapter there?"},
      {{{"reduction_factor", {{"2", 8}, {"default", 16}}}}, "strategy.reduction_factor: " + layers + "2"},
      {{{"leave_out", {1, 4}}}, "strategy.leave_out: " + layers + "4"},
      {{{"leave_out", {0, 1}}}, "strategy.leave_out: leaves out every layer of the model"},
      {{{"leave_out", {0, "one"}}}, "strategy.leave_out: must be an array of whole numbers, got \"one\" in it"},
      {{{"leave_out", {-1}}}, "strategy.leave_out: must be at least 0, got -1 in it"},
      {{{"output_adapter", false}},
       "strategy.output_adapter: is false, and so is mh_adapter: there is no place left for an adapter"},
      {{{"config", "houlsby"}, {"residual_before_ln", "post_add"}},
       "strategy.residual_before_ln: \"post_add\" needs original_ln_before = true"},
      {{{"config", "compacter"}, {"phm_dim", 5}}, "strategy.phm_dim: must divide the model's hidden size 32, got 5"},
      {{{"config", "compacter"}, {"init_weights", "mam"}},
       "strategy.init_weights: must be \"bert\" with phm_layer, whose weights have an initialisation of their own"},
      {{{"config", "compacter"}, {"shared_W_phm", true}, {"factorized_phm_W", false}},
       "strategy.factorized_phm_W: must be true, the only form of PHM layers that is known here (Compacter's), got "
       "false\n"
       "strategy.shared_W_phm: must be false, the only form of PHM layers that is known here (Compacter's), got true"},
      {{{"inv_adapter", "glow"}},
       "strategy.inv_adapter: must be \"nice\" or \"\" (none); \"glow\" fails on every text in AdapterHub's own "
       "library"},
      {{{"inv_adapter", "real-nvp"}}, "strategy.inv_adapter: must be \"nice\" or \"\" (none), got \"real-nvp\""},
      {{{"inv_adapter_reduction_factor", 0}, {"inv_adapter_non_linearity", "tahn"}},
       "strategy.inv_adapter_reduction_factor: must be greater than 0, got 0\n"
       "strategy.inv_adapter_non_linearity: must be one of " +
           join(activation_names()) + ", got \"tahn\"; did you mean 'tanh'?"},
      {{{"config", "pfeiffer+inv"}, {"inv_adapter_reduction_factor", 17}},
       "strategy.inv_adapter_reduction_factor: must be at most 16, half of the model's hidden size, got 17"},
      {{{"name", "a.b"}},
       "encoder.layer.0.output.LayerNorm: a patch's name must be neither empty nor have a '.', got 'a.b'"},
  };
  for (const auto& [settings, text] : cases)
    EXPECT_EQ(error_of([&] { tuned(settings); }), text);
}

}  // namespace
}  // namespace plugtune
