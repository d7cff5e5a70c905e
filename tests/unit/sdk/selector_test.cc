// selector_test.cc - which sites targets and layers select.
#include "plugtune/selector.h"

#include <gtest/gtest.h>

#include "plugtune/error.h"

namespace plugtune {
namespace {

const std::vector<SiteInfo>& sites() {
  static const std::vector<SiteInfo> all = {{"embeddings.word_embeddings", Role::kWordEmbeddings, -1},
                                            {"encoder.layer.0.attention.self.query", Role::kQuery, 0},
                                            {"encoder.layer.0.output.dense", Role::kFfnDown, 0},
                                            {"encoder.layer.1.attention.self.query", Role::kQuery, 1},
                                            {"encoder.layer.1.output.dense", Role::kFfnDown, 1},
                                            {"pooler.dense", Role::kPooler, -1},
                                            {"classifier", Role::kClassifier, -1}};
  return all;
}

using Paths = std::vector<std::string>;

Paths selected(const std::vector<std::string>& targets, const std::string& layers = "") {
  const Selector selector(targets, layers);
  Paths paths;
  for (const SiteInfo& site : sites())
    if (selector.matches(site)) paths.push_back(site.path);
  return paths;
}

TEST(Selector, TargetsAreRolesPathsAndExpressions) {
  const std::string layer0 = "encoder.layer.0.", layer1 = "encoder.layer.1.";
  EXPECT_EQ(selected({}), Paths{});
  EXPECT_EQ(selected({"query"}), Paths({layer0 + "attention.self.query", layer1 + "attention.self.query"}));
  EXPECT_EQ(selected({"encoder.layer.*.output.dense"}), Paths({layer0 + "output.dense", layer1 + "output.dense"}));
  EXPECT_EQ(selected({"encoder.layer.?.output.dense", "classifier"}),
            Paths({layer0 + "output.dense", layer1 + "output.dense", "classifier"}));
  EXPECT_EQ(selected({"all-linear"}), Paths({layer0 + "attention.self.query", layer0 + "output.dense",
                                             layer1 + "attention.self.query", layer1 + "output.dense"}));
  EXPECT_EQ(selected({"*.dense"}), Paths{"pooler.dense"});  // '*' stops at a dot
  EXPECT_EQ(selected({R"(/.*\.1\..*/)"}), Paths({layer1 + "attention.self.query", layer1 + "output.dense"}));
  EXPECT_EQ(selected({R"(/\.1\./)"}), Paths{});  // the whole path
}

TEST(Selector, LayersLimitWhatIsInALayerAndNothingElse) {
  EXPECT_EQ(selected({"query"}, "1"), Paths{"encoder.layer.1.attention.self.query"});
  EXPECT_EQ(
      selected({"query", "pooler", "classifier", "word_embeddings"}, "1"),
      Paths({"embeddings.word_embeddings", "encoder.layer.1.attention.self.query", "pooler.dense", "classifier"}));
  EXPECT_EQ(selected({"pooler.dense", "encoder.*.*.output.dense"}, "0"),
            Paths({"encoder.layer.0.output.dense", "pooler.dense"}));
  EXPECT_EQ(selected({"/.*dense/"}, "0"), Paths({"encoder.layer.0.output.dense", "pooler.dense"}));
  EXPECT_EQ(selected({"pooler"}, "7"), Paths{"pooler.dense"});  // that there is no layer 7 is the model's to say
  EXPECT_EQ(selected({"query"}, " 0 - 0 , 1 "), selected({"query"}));
  EXPECT_EQ(Selector({"query"}, "0-3,9").highest_layer(), 9);
  EXPECT_EQ(Selector({"query"}).highest_layer(), -1);
}

TEST(Selector, SaysWhichTargetsMatchNothing) {
  EXPECT_EQ(Selector({"query", "key", "*.dens"}).unmatched(sites()), Paths({"key", "*.dens"}));
}

TEST(Selector, RefusesWhatIsNoRangeOrExpression) {
  for (const std::string layers : {"1-", "-1", "2-1", "1;2", "all", "1,", ",1"}) {
    try {
      Selector({"query"}, layers, "strategy.targets");
      ADD_FAILURE() << "accepts '" << layers << "'";
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()),
                "strategy.targets: layers must be numbers and ranges like \"0-5,11\", got \"" + layers + "\"");
    }
  }
  EXPECT_THROW(Selector({"/(/"}), Error);
}

}  // namespace
}  // namespace plugtune
