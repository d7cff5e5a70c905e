// compose_test.cc - which strategies are one adapter of AdapterHub's library, which are a stack, and which it cannot compute.
#include "exchange/compose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exchange/support.h"
#include "plugtune/error.h"
#include "support/temp_folder.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;
using exchange::check_stack;
using exchange::choose_layers;
using ::testing::ElementsAre;

ForeignAdapter adapter(const std::string& name, const std::string& architecture,
                       const std::vector<std::string>& tensors = {}) {
  ForeignAdapter made{"adapterhub", name, ConfigNode{ConfigNode::Table{}}, {}, {}, {}};
  if (!architecture.empty()) made.config.set("architecture", {architecture});
  for (const std::string& tensor : tensors)
    made.tensors.emplace_back(tensor, torch::zeros({1}));
  return made;
}

ForeignAdapter bottleneck(const std::string& name, bool mh_adapter, bool output_adapter) {
  ForeignAdapter made = adapter(name, "");
  made.config.set("mh_adapter", {mh_adapter});
  made.config.set("output_adapter", {output_adapter});
  return made;
}

ForeignAdapter fusion(const std::string& name) {
  ForeignAdapter made = adapter(name, "");
  made.members.push_back(bottleneck("a", false, true));
  return made;
}

std::string told(const std::vector<ForeignAdapter>& adapters) {
  try {
    check_stack(adapters, "runs/x");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Compose, MethodsOfDifferentKindsAreOneAdapter) {
  const ForeignAdapter seq = bottleneck("x", false, true), lora = adapter("x", "lora"),
                       prefix = adapter("x", "prefix_tuning");
  EXPECT_THAT(choose_layers({lora, prefix, seq}), ElementsAre(0, 0, 0));
  EXPECT_THAT(choose_layers({seq, seq}), ElementsAre(0, 1));
  EXPECT_THAT(choose_layers({seq, prefix, seq, lora}), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(choose_layers({bottleneck("x", true, false), seq}), ElementsAre(0, 0));
  EXPECT_THAT(choose_layers({bottleneck("x", true, true), seq}), ElementsAre(0, 1));
  EXPECT_THAT(choose_layers({prefix, fusion("a,b"), prefix}), ElementsAre(0, 1, 2));
}

TEST(Compose, WhatTheLibraryComputesOtherwiseInAStackIsRefused) {
  const std::string query = "encoder.layer.0.attention.self.query.loras.",
                    value = "encoder.layer.0.attention.self.value.loras.";
  const ForeignAdapter below = adapter("a", "lora", {query + "a.lora_A"});
  EXPECT_EQ(told({below, adapter("b", "lora", {value + "b.lora_A"})}), "");
  EXPECT_EQ(
      told({below, adapter("b", "lora", {query + "b.lora_A"})}),
      "runs/x: 'a' and 'b' both change encoder.layer.0.attention.self.query; in a stack of AdapterHub's library the "
      "second reads what the first made and not the layer's input, which is computed nowhere else");
  ForeignAdapter factor = adapter("a", "lora", {query + "a.lora_B"}),
                 other = adapter("b", "lora", {query + "b.lora_B"});
  factor.config.set("composition_mode", {std::string("scale")});
  EXPECT_NE(told({factor, other}), "");
  other.config.set("composition_mode", {std::string("scale")});
  EXPECT_EQ(told({factor, other}), "");
  EXPECT_EQ(told({adapter("a", "prompt_tuning"), adapter("b", "")}), "");
  EXPECT_EQ(
      told({adapter("a", ""), adapter("b", "prompt_tuning")}),
      "runs/x: of a stack AdapterHub's library uses the prompt of the first adapter alone, and 'b' is not the first");
  const ForeignAdapter invertible = adapter("b", "", {"invertible_adapters.b.F.0.weight", "x"});
  EXPECT_EQ(told({invertible, adapter("c", "")}), "");
  EXPECT_EQ(
      told({adapter("a", ""), invertible}),
      "runs/x: of a stack AdapterHub's library uses the invertible adapter of the first adapter alone, and 'b' is not "
      "the first");
  EXPECT_EQ(told({adapter("a", ""), adapter("b", "reft", {"encoder.layer.0.reft_layer.refts.b.units.0.x"})}),
            "runs/x: of a stack AdapterHub's library uses the interventions of the first adapter alone, and 'b' is not "
            "the first");
}

/// A method of an adapter with an invertible part, which has all of the file's tensors.
ForeignAdapter invertible(ForeignAdapter method) {
  method.tensors.emplace_back("invertible_adapters." + method.name + ".F.0.weight", torch::zeros({1}));
  method.config.set("inv_adapter", {std::string("nice")});
  return method;
}

TEST(Compose, MethodsOfOneAdapterStandInTheOrderInWhichTheLibraryComputes) {
  const ForeignAdapter prompt = adapter("x", "prompt_tuning"), first = bottleneck("x", true, false),
                       second = invertible(bottleneck("x", false, true));
  EXPECT_EQ(
      told({first, second}),
      "runs/x: the invertible adapter of the second of two bottleneck adapters is not used; in 'x', one adapter of "
      "AdapterHub's library, it would be");
  EXPECT_EQ(told({second, prompt}),
            "runs/x: the prompt stands behind the invertible adapter, whose input its rows are; in 'x', one adapter of "
            "AdapterHub's library, they would not be");
  std::vector<ForeignAdapter> methods = {first, second, prompt};
  exchange::order_union(methods);
  EXPECT_EQ(told(methods), "");
  EXPECT_EQ(text_at(methods[0].config, "architecture"), "prompt_tuning");
  EXPECT_FALSE(is_true_at(methods[1].config, "mh_adapter"));
  std::vector<ForeignAdapter> plain = {first, prompt};
  exchange::order_union(plain);
  EXPECT_TRUE(is_true_at(plain[0].config, "mh_adapter"));
}

TEST(Compose, PositionsFromTheEndBesideAPromptAreRefused) {
  ForeignAdapter reft = adapter("b", "reft", {"encoder.layer.0.reft_layer.refts.b.units.0.x"});
  reft.name = "x";
  reft.config.set("suffix_positions", {int64_t{0}});
  EXPECT_EQ(told({adapter("x", "prompt_tuning"), reft}), "");
  reft.config.set("suffix_positions", {int64_t{1}});
  EXPECT_EQ(
      told({adapter("x", "prompt_tuning"), reft}),
      "runs/x: beside a prompt AdapterHub's library takes the last positions of 'x' for rows before the last, which "
      "is computed nowhere else");
  EXPECT_EQ(told({reft}), "");
}

TEST(Compose, InvertibleAdaptersThatTheLibraryDoesNotUseAreLeftOutWithANote) {
  std::vector<ForeignAdapter> adapters = {adapter("a", "", {"invertible_adapters.a.F.0.weight"}),
                                          adapter("b", "", {"invertible_adapters.b.F.0.weight", "x"})};
  adapters[1].config.set("inv_adapter", {std::string("nice")});
  exchange::drop_unused_invertible(adapters);
  EXPECT_EQ(adapters[0].tensors.size(), 1U);
  ASSERT_EQ(adapters[1].tensors.size(), 1U);
  EXPECT_EQ(adapters[1].tensors[0].first, "x");
  EXPECT_EQ(adapters[1].config.find("inv_adapter"), nullptr);
  EXPECT_THAT(adapters[1].notes,
              ElementsAre("the invertible adapter of 'b' is left out: AdapterHub's library uses that of "
                          "the first adapter of a stack alone"));
}

TEST(Compose, NorIsThatOfAFusionAboveAnotherAdapterUsed) {
  ForeignAdapter fused = fusion("a,b");
  fused.members[0] = invertible(fused.members[0]);
  EXPECT_EQ(told({fused, adapter("c", "")}), "");
  EXPECT_EQ(
      told({adapter("c", "lora"), fused}),
      "runs/x: of a stack AdapterHub's library uses the invertible adapter of the first adapter alone, and 'a,b' is "
      "not the first");
  std::vector<ForeignAdapter> adapters = {adapter("c", "lora"), fused};
  exchange::drop_unused_invertible(adapters);
  EXPECT_TRUE(adapters[1].members[0].tensors.empty());
  EXPECT_THAT(adapters[1].notes,
              ElementsAre("the invertible adapter of 'a' is left out: AdapterHub's library uses that "
                          "of the first adapter of a stack alone"));
  EXPECT_EQ(told(adapters), "");
}

TEST(Compose, DirectoriesOfOneNameAreRefused) {
  try {
    exchange::check_names({bottleneck("a", true, true), fusion("a,b")}, "runs/x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "runs/x: two of its adapters would be called 'a'; choose another --name");
  }
}

/// Set-ups that say what is not known here.
TEST(SetUp, OfAnotherCompositionIsRefusedByName) {
  const testing::InRepository in_repository;
  const testing::TempFolder folder;
  fs::copy("tests/golden/adapter_pfeiffer/adapterhub", fs::path(folder.path()) / "golden");
  const auto told = [&](const std::string& block) {
    folder.write("adapter_setup.json", R"({"adapter_setup": )" + block + R"(, "head_setup": "golden"})");
    std::string text;
    try {
      exchange::read_foreign(folder.path());
    } catch (const Error& error) {
      text = error.what();
    }
    const std::string file = (fs::path(folder.path()) / "adapter_setup.json").string();
    EXPECT_TRUE(text.empty() || text.starts_with(file + ": ")) << text;
    return text.empty() ? text : text.substr(file.size() + 2);
  };
  const std::string single = R"({"type": "single", "children": ["golden"]})";
  EXPECT_EQ(told(single), "");
  EXPECT_EQ(told(R"({"type": "Stack", "children": [)" + single + "]}"), "");
  EXPECT_EQ(told(R"({"type": "Stack", "children": []})"), "is a Stack of no adapters");
  EXPECT_EQ(told(R"({"type": "Stack", "children": [)" + single + ", " + single + "]}"),
            "adapter 'golden' is there twice");
  const std::string expected = "is not known here; expected a Stack of single adapters and Fuse, or one of these";
  EXPECT_EQ(told(R"({"type": "Parallel", "children": [)" + single + "]}"),
            "a composition of type 'Parallel' " + expected);
  EXPECT_EQ(told(R"({"type": "Stack", "children": [{"type": "Average", "children": [)" + single + "]}]}"),
            "a composition of type 'Average' " + expected);
  EXPECT_EQ(told(R"({"type": "Fuse", "children": [{"type": "Stack", "children": [)" + single + "]}]}"),
            R"(a Fuse of compositions is not known here, got {"type":"Stack","children":[)"
            R"({"type":"single","children":["golden"]}]}; expected single adapters in it)");
}

}  // namespace
}  // namespace plugtune::app
