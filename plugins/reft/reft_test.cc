// reft_test.cc - ReFT against AdapterHub's library, which rows are changed, orthonormal rows, and every message.
#include "support/foreign_golden.h"

namespace plugtune {
namespace {

using testing::error_of;
using testing::Golden;
using testing::make_strategy;
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

}  // namespace
}  // namespace plugtune
