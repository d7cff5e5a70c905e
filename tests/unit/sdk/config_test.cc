// config_test.cc - nested tables, and values as messages show them.
#include "plugtune/config.h"

#include <gtest/gtest.h>

#include "plugtune/error.h"

namespace plugtune {
namespace {

ConfigNode table(ConfigNode::Table entries) { return {std::move(entries)}; }

template <class Function>
std::string error_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ConfigView, NestedTablesAreOneHoweverOftenAndDeepTheyAreRead) {
  const ConfigNode settings = table(
      {{"a",
        table({{"x", {int64_t{1}}}, {"z", {int64_t{2}}}, {"b", table({{"y", {int64_t{3}}}, {"typo", {true}}})}})}});
  const ConfigView view(settings);
  EXPECT_EQ(view.table("a").integer("x", 0), 1);
  EXPECT_EQ(view.table("a").integer("z", 0), 2);
  EXPECT_EQ(view.table("a").table("b").integer("y", 0), 3);
  EXPECT_EQ(view.table("a").table("b").integer("width", 8), 8);
  EXPECT_EQ(error_of([&] { view.reject_unknown(); }), "strategy.a.b.typo: unknown key");
  const ConfigNode* nested = view.resolved().find("a")->find("b");
  ASSERT_NE(nested, nullptr);
  EXPECT_EQ(std::get<int64_t>(nested->find("width")->value), 8);
}

TEST(ConfigView, ANumberIsShownAsTheKindThatItIs) {
  const ConfigView view(table({{"rank", {8.0}}, {"steps", {1e3}}, {"small", {-2.5}}}));
  view.integer("rank", 1);
  view.integer("steps", 1);
  view.integer("small", 1);
  EXPECT_EQ(error_of([&] { view.reject_unknown(); }),
            "strategy.rank: must be a whole number, got 8.0\n"
            "strategy.steps: must be a whole number, got 1000.0\n"
            "strategy.small: must be a whole number, got -2.5");
}

TEST(ConfigView, AWordWithoutQuotesIsToldHowToQuoteIt) {
  ConfigNode settings = table({{"text", {int64_t{1}}},
                               {"name", {true}},
                               {"list", {ConfigNode::Array{}}},
                               {"layers", {ConfigNode::Array{{int64_t{0}}, {int64_t{1}}}}}});
  settings.set("text", {int64_t{1}, 0, "--set"});
  const ConfigView view(settings);
  view.string("text", "");
  view.string("name", "");
  view.string("list", "");
  view.string("layers", "");
  view.string("layers", "");  // read twice, told once
  EXPECT_EQ(error_of([&] { view.reject_unknown(); }),
            "strategy.text: must be a string, got 1; with quotes it is one: 'strategy.text=\"1\"' (--set)\n"
            "strategy.name: must be a string, got true; with quotes it is one: \"true\"\n"
            "strategy.list: must be a string, got an array\n"
            "strategy.layers: must be a string, got an array; with quotes it is one: \"0,1\"");
}

}  // namespace
}  // namespace plugtune
