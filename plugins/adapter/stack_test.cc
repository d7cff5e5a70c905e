// stack_test.cc - adapters one above another against Stacks of AdapterHub's library.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>

#include "exchange.h"
#include "exchange/foreign_files.h"
#include "support/strategy.h"

namespace plugtune {
namespace {

using testing::Golden;
using testing::make_strategy;
using testing::tiny_model;
using Parameters = std::map<std::string, Tensor>;

/// Whether all of a stack are bottlenecks by themselves.
bool is_of_adapters(const std::string& name) {
  const nlohmann::json settings = Golden(name).description().at("settings");
  const auto members = settings.find("members");
  return members != settings.end() && !settings.contains("fusion") &&
         std::ranges::all_of(*members, [](const nlohmann::json& member) { return member.contains("mh_adapter"); });
}

std::vector<std::string> stack_cases() {
  std::vector<std::string> cases;
  for (const auto& entry : std::filesystem::directory_iterator(testing::golden_path())) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("stack_") && is_of_adapters(name)) cases.push_back(name);
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

/// "encoder.layer.0.output.LayerNorm.adapter_2.bottleneck.x" as in the adapter's own delta.
std::string own_key(const std::string& key) {
  return std::regex_replace(key, std::regex(R"(\.adapter_\d+\.)"), ".adapter.");
}

/// The tiny model with the library's set-up: each adapter read from its directory, applied in order and filled.
class Stacked {
 public:
  explicit Stacked(const std::string& name) : golden(name), model(tiny_model()) {
    for (const auto& [member, settings] : golden.description().at("settings").at("members").items()) {
      const MethodDelta delta = read(name, member);
      apply(delta, member);
    }
    testing::train_head(*model);
    for (const auto& [key, parameter] : model->own_parameters())
      if (parameter.requires_grad()) head.emplace(key, parameter);
    model->eval();
  }

  /// Ours for a name in the library's model.
  const Tensor& parameter(const std::string& theirs) const {
    static const std::regex kMember(R"((adapters)\.([a-z])\.)");
    std::smatch match;
    const std::string key = testing::delta_key(theirs);
    return std::regex_search(theirs, match, kMember) ? members.at(match[2]).at(key) : head.at(key);
  }

  const Golden golden;
  const std::shared_ptr<model::Bert> model;
  std::map<std::string, Parameters> members;  // by the keys of each adapter's own delta
  Parameters head;

 private:
  static MethodDelta read(const std::string& name, const std::string& member) {
    const auto setup = testing::golden_path() / name;
    const char* folder = std::filesystem::exists(setup / "setup") ? "setup" : "import_only";
    exchange::ForeignFiles files = exchange::read_foreign(setup / folder / member);
    ForeignTensors tensors(member, files.adapters.front().tensors);
    const ExchangeBase base{tiny_model()->info(), {}};
    MethodDelta delta = adapter::AdapterExchange().read(files.adapters.front(), tensors, base);
    tensors.throw_if_problems();
    EXPECT_EQ(tensors.unread(), std::vector<std::string>());
    return delta;
  }
  void apply(const MethodDelta& delta, const std::string& member) {
    std::map<std::string, Tensor> before;
    for (const auto& [key, parameter] : model->patch_parameters())
      before.emplace(key, parameter);
    const ConfigView view(delta.settings, {"strategy", "strategy 'adapter'", "", {}});
    std::unique_ptr<Strategy>(plugtune_plugin.items[0].create_strategy(view))->apply(*model);
    for (const auto& [key, parameter] : model->patch_parameters())
      if (!before.contains(key)) members[member].emplace(own_key(key), parameter);
    torch::NoGradGuard no_grad;
    EXPECT_EQ(members[member].size(), delta.tensors.size());
    for (const auto& [key, tensor] : delta.tensors)
      members[member].at(key).copy_(tensor);
  }
};

class AdapterStack : public ::testing::TestWithParam<std::string> {};

TEST_P(AdapterStack, LogitsLossAndEveryGradientEqualTheLibrary) {
  const Stacked stack(GetParam());
  const Golden& golden = stack.golden;
  size_t trainable = stack.head.size();
  for (const auto& [member, parameters] : stack.members)
    for (const auto& [key, parameter] : parameters)
      trainable += parameter.requires_grad() ? 1 : 0;
  for (const auto& [key, tensor] : golden.tensors()) {
    if (!key.starts_with("start/") && !key.starts_with("fixed/")) continue;
    EXPECT_TRUE(torch::equal(stack.parameter(key.substr(6)), tensor)) << key << ": the files are not the start";
  }

  EXPECT_TRUE(near_golden(golden, "hidden", stack.model->hidden(golden.input("a"))));
  const Tensor logits = stack.model->forward(golden.input("a"));
  EXPECT_TRUE(near_golden(golden, "logits", logits));
  const Tensor loss = model::task_loss(TaskKind::kClassification, logits, golden.at("a/labels"), 5);
  EXPECT_TRUE(near_golden(golden, "loss", loss));
  loss.backward();
  size_t compared = 0;
  for (const auto& [key, tensor] : golden.tensors()) {
    if (!key.starts_with("grad/")) continue;
    // What does not reach the loss has no gradient here, and zeros there.
    const Tensor parameter = stack.parameter(key.substr(5));
    const Tensor gradient = parameter.grad().defined() ? parameter.grad() : torch::zeros_like(parameter);
    EXPECT_TRUE(near_golden(golden, key, gradient));
    ++compared;
  }
  EXPECT_EQ(compared, trainable);
}

TEST_P(AdapterStack, PackedBatchEqualsEachSequenceAlone) {
  const Stacked stack(GetParam());
  testing::expect_packed_equals_alone(*stack.model);
}

TEST_P(AdapterStack, FirstRowsOnlyGivesTheLogitsOfAllRows) {
  const Stacked stack(GetParam());
  const Tensor logits = stack.model->forward(stack.golden.input("a"));
  stack.model->set_first_rows_only(false);
  EXPECT_TRUE(testing::near(stack.model->forward(stack.golden.input("a")), logits, 1e-7, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(AdapterHub, AdapterStack, ::testing::ValuesIn(stack_cases()),
                         [](const auto& info) { return info.param; });

TEST(AdapterStack, OnlyTheFirstAdaptersInvertibleLayerWorksAndTheOthersDoNotTrain) {
  const auto model = tiny_model();
  make_strategy({{"config", "pfeiffer"}})->apply(*model);
  make_strategy({{"config", "pfeiffer+inv"}})->apply(*model);
  int64_t kept = 0;
  for (const auto& [key, parameter] : model->patch_parameters()) {
    if (!key.starts_with("encoder.adapter.invertible.")) continue;
    EXPECT_FALSE(parameter.requires_grad()) << key;
    ++kept;
  }
  EXPECT_EQ(kept, 8);
  const auto input = Golden("adapter_pfeiffer").input("a");
  const Tensor logits = model->forward(input);
  torch::NoGradGuard no_grad;
  for (const auto& [key, parameter] : model->patch_parameters())
    if (key.find(".invertible.") != std::string::npos) parameter.fill_(3.0);
  EXPECT_TRUE(torch::equal(model->forward(input), logits));
}

TEST(AdapterStack, PatchesOfAnotherNameAreStagesToo) {
  const auto build = [](const nlohmann::json& upper_name) {
    torch::manual_seed(1);
    const auto model = tiny_model();
    make_strategy()->apply(*model);
    make_strategy(upper_name)->apply(*model);
    return model;
  };
  const auto input = Golden("adapter_pfeiffer").input("a");
  const auto same = build(nlohmann::json::object()), other = build({{"name", "task"}});
  EXPECT_TRUE(torch::equal(same->forward(input), other->forward(input)));
  EXPECT_EQ(other->patched_sites().front(), "encoder.layer.0.output.LayerNorm: adapter, task");
}

}  // namespace
}  // namespace plugtune
