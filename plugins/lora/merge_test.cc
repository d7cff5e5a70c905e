// merge_test.cc - several LoRAs folded into one base, and bases of 16 bits, against peft's merge_and_unload.
#include <set>

#include "foreign_file_test.h"

namespace plugtune {
namespace {

using namespace lora_test;

constexpr const char* kMergeCase = "lora_merge";

class LoraMerge : public ::testing::TestWithParam<const char*> {
 protected:
  LoraMerge() : golden(kMergeCase), options(golden.description().at("settings").at(GetParam())), model(tiny_model()) {
    torch::NoGradGuard no_grad;
    for (const auto& [name, parameter] : model->own_parameters())
      parameter.copy_(parameter.to(base_type()));
    const std::string members = options.at("members");
    std::vector<MethodDelta> deltas = headless_adapters(kMergeCase, members);
    for (size_t i = 0; i < deltas.size(); ++i)
      put_on(deltas[i], std::string("adapter_") + members[i]);
    model->eval();
  }

  torch::ScalarType base_type() const {
    const std::string name = options.at("base");
    return name == "bfloat16" ? torch::kBFloat16 : name == "float16" ? torch::kHalf : torch::kFloat;
  }
  std::set<std::string> changed_by_peft() const {
    std::set<std::string> names;
    const std::string prefix = std::string(GetParam()) + "/";
    for (const auto& [key, tensor] : golden.tensors())
      if (key.starts_with(prefix) && key != prefix + "logits") names.insert(key.substr(prefix.size()));
    return names;
  }

  const Golden golden;
  const Json options;
  const std::shared_ptr<model::Bert> model;

 private:
  /// One more strategy, whose patches have a name of their own.
  void put_on(MethodDelta delta, const std::string& name) const {
    delta.settings.set("name", {name});
    strategy_of(delta.settings)->apply(*model);
    std::map<std::string, Tensor> trained = testing::trainables(*model);
    for (auto [key, tensor] : delta.tensors) {
      key.replace(key.find(".lora."), 6, "." + name + ".");
      trained.at(key).copy_(tensor);
    }
  }
};

TEST_P(LoraMerge, FoldedWeightsAreThoseOfPeft) {
  std::map<std::string, Tensor> before;
  for (const auto& [name, parameter] : model->own_parameters())
    before.emplace(name, parameter.detach().clone());
  model->fold();
  const std::set<std::string> expected = changed_by_peft();
  for (const auto& [name, parameter] : model->own_parameters()) {
    if (!expected.contains(name)) {
      EXPECT_TRUE(torch::equal(parameter, before.at(name))) << name;
      continue;
    }
    EXPECT_FALSE(torch::equal(parameter, before.at(name))) << name;
    // peft rounds the update to 16 bits, and the sum once more: how far that is from the truth is recorded.
    EXPECT_TRUE(near_golden(golden, std::string(GetParam()) + "/" + name, parameter));
  }
}

class LoraMergeLogits : public LoraMerge {};  // peft computes in 16 bits on a base of 16 bits

TEST_P(LoraMergeLogits, AreThoseOfPeft) {
  const std::string key = std::string(GetParam()) + "/logits";
  torch::NoGradGuard no_grad;
  EXPECT_TRUE(near_golden(golden, key, model->forward(golden.input("a"))));
  const model::Folded folded = model->fold();
  EXPECT_TRUE(near_golden(golden, key, model->forward(golden.input("a"))));
  model->unfold(folded);
  EXPECT_TRUE(near_golden(golden, key, model->forward(golden.input("a"))));
}

INSTANTIATE_TEST_SUITE_P(Peft, LoraMergeLogits, ::testing::Values("all", "two"),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(Peft, LoraMerge, ::testing::Values("all", "two", "bfloat16", "float16"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace plugtune
