// plan_test.cc - which runs a study has, and how rates are chosen.
#include "study/plan.h"

#include <cmath>

#include "unit/study/support.h"

namespace plugtune::study {
namespace {

using Ids = std::vector<std::string>;

std::string text_of(const Plan& plan, const std::string& id) {
  const PlannedRun* run = plan.find(id);
  return run == nullptr ? "no such run" : experiment::write_toml(run->tables);
}

TEST(Plan, OfAFixedRateIsEverySizeAndSeed) {
  const Study study = study_from(
      std::string("[study]\nname = \"s\"\nseeds = [1, 2]\nsizes = [10, 0]\n") + kCommonTables +
      "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\ntrain = { learning_rate = 1e-3, steps = 5 }\n");
  const Plan plan = plan_with(study, {});
  EXPECT_EQ(ids_of(plan), (Ids{"runs/a-n10-seed1", "runs/a-n10-seed2", "runs/a-nall-seed1", "runs/a-nall-seed2"}));
  EXPECT_EQ(plan.total, 4);
  EXPECT_EQ(text_of(plan, "runs/a-n10-seed2"), R"([run]
name = "a-n10-seed2"
seed = 2

[model]
path = "m"

[data]
plugin = "reviews"
validation = 0.1
train_limit = 10

[train]
learning_rate = 0.001
steps = 5

[strategy]
plugin = "x"
)");
}

TEST(Plan, OfAMethodWithItsOwnSeedsAndSizesIsThose) {
  const Study study = study_from(
      std::string("[study]\nname = \"s\"\nseeds = [1, 2]\nsizes = [10, 0]\n") + kCommonTables +
      "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\ntrain = { learning_rate = 1e-3 }\nseeds = [2]\n"
      "[[method]]\nname = \"b\"\nstrategy = { plugin = \"x\" }\ntrain = { learning_rate = 1e-3 }\nsizes = [0]\n");
  const Plan plan = plan_with(study, {});
  EXPECT_EQ(ids_of(plan), (Ids{"runs/a-n10-seed2", "runs/a-nall-seed2", "runs/b-nall-seed1", "runs/b-nall-seed2"}));
  EXPECT_EQ(plan.total, 4);
}

const std::string kSearched = std::string("[study]\nname = \"s\"\nseeds = [7]\nsizes = [20]\n") + kCommonTables + R"(
[search]
learning_rates = [1e-4, 1e-3]
size = 10
epochs = 1
seeds = [1]
[[method]]
name = "a"
strategy = { plugin = "x" }
[[method]]
name = "b"
strategy = { plugin = "y", sources = ["{a}", "{c}"] }
[[source]]
name = "c"
strategy = { plugin = "x" }
data = { plugin = "others" }
)";

TEST(Plan, ChoosesARateOnTheValidationSplitBeforeItTrainsAtEverySize) {
  const Study study = study_from(kSearched);
  Plan plan = plan_with(study, {});
  EXPECT_EQ(ids_of(plan), (Ids{"sources/c", "search/a-rate1e-4-seed1", "search/a-rate0.001-seed1"}));
  EXPECT_EQ(plan.total, 2 * (2 + 1));
  EXPECT_EQ(text_of(plan, "search/a-rate0.001-seed1"), R"([run]
name = "a-rate0.001-seed1"
seed = 1

[model]
path = "m"

[data]
plugin = "reviews"
validation = 0.1
train_limit = 10

[train]
epochs = 1
learning_rate = 0.001

[strategy]
plugin = "x"

[eval]
split = "validation"
test = false
)");
  // Another data set does not know this one's `validation`.
  EXPECT_EQ(text_of(plan, "sources/c").find("validation"), std::string::npos);

  const std::map<std::string, double> first = {{"search/a-rate1e-4-seed1", 0.6}, {"search/a-rate0.001-seed1", 0.7}};
  plan = plan_with(study, first);
  EXPECT_EQ(real(*plan.choices[0].rate), 1e-3);
  EXPECT_EQ(ids_of(plan), (Ids{"sources/c", "search/a-rate1e-4-seed1", "search/a-rate0.001-seed1",
                               "search/b-rate1e-4-seed1", "search/b-rate0.001-seed1", "runs/a-n20-seed7"}));
  // In the search b starts from the search's own run of a, at the rate that was chosen for it.
  EXPECT_EQ(plan.find("search/b-rate0.001-seed1")->sources, (Ids{"search/a-rate0.001-seed1", "sources/c"}));
  EXPECT_NE(text_of(plan, "search/b-rate0.001-seed1")
                .find(R"(sources = ["studies/s/search/a-rate0.001-seed1", "studies/s/sources/c"])"),
            std::string::npos);
}

TEST(Plan, ARateWhoseRunFailsIsNotChosen) {
  const Study study = study_from(kSearched);
  const Plan plan = plan_with(study, {{"search/a-rate1e-4-seed1", 0.6}, {"search/a-rate0.001-seed1", NAN}});
  EXPECT_EQ(real(*plan.choices[0].rate), 1e-4);
  const Plan none = plan_with(study, {{"search/a-rate1e-4-seed1", NAN}, {"search/a-rate0.001-seed1", NAN}});
  EXPECT_FALSE(none.choices[0].rate);
}

Study halving_of_four_rates() {
  return study_from(std::string("[study]\nname = \"s\"\n") + kCommonTables + R"(
[search]
method = "halving"
learning_rates = [1, 2, 3, 4]
[[method]]
name = "a"
strategy = { plugin = "x" }
)");
}

TEST(Plan, HalvingTrainsAThirdOfTheRatesThreeTimesAsLong) {
  const Study study = halving_of_four_rates();
  std::map<std::string, double> values;
  Plan plan = plan_with(study, values);
  EXPECT_EQ(plan.choices[0].search_runs, 4 + 2);
  EXPECT_EQ(ids_of(plan), (Ids{"search/a-rate1.0-seed1-part3", "search/a-rate2.0-seed1-part3",
                               "search/a-rate3.0-seed1-part3", "search/a-rate4.0-seed1-part3"}));
  EXPECT_NE(text_of(plan, "search/a-rate1.0-seed1-part3").find("epochs = 0.66666"), std::string::npos);
  for (const int rate : {1, 2, 3, 4})
    values["search/a-rate" + std::to_string(rate) + ".0-seed1-part3"] = rate == 3 ? 0.2 : 0.1 * rate;
  plan = plan_with(study, values);  // 0.1 0.2 0.2 0.4: of two that are equal the first goes on
  EXPECT_EQ(ids_of(plan).back(), "search/a-rate2.0-seed1");
  EXPECT_NE(plan.find("search/a-rate4.0-seed1"), nullptr);
  values["search/a-rate4.0-seed1"] = 0.4;
  values["search/a-rate2.0-seed1"] = 0.5;
  plan = plan_with(study, values);
  EXPECT_EQ(real(*plan.choices[0].rate), 2.0);
  EXPECT_EQ(ids_of(plan).back(), "runs/a-nall-seed1");
  ASSERT_EQ(plan.choices[0].tried.size(), 4u);
  EXPECT_EQ(plan.choices[0].tried[0].shorter, 3);  // known from a third of the length alone
  EXPECT_EQ(plan.choices[0].tried[1].shorter, 1);
  EXPECT_EQ(plan.total, 4 + 2 + 1);
}

/// Else "n of total runs" would count runs that no sweep begins.
TEST(Plan, RungsThatFailedRatesDoNotReachAreNotCounted) {
  const Study study = halving_of_four_rates();
  std::map<std::string, double> values = {{"search/a-rate1.0-seed1-part3", 0.5},
                                          {"search/a-rate2.0-seed1-part3", NAN},
                                          {"search/a-rate3.0-seed1-part3", NAN},
                                          {"search/a-rate4.0-seed1-part3", NAN}};
  EXPECT_EQ(plan_with(study, values).choices[0].search_runs, 4 + 1);
  values["search/a-rate1.0-seed1"] = 0.5;
  const Plan plan = plan_with(study, values);
  EXPECT_EQ(plan.total, 4 + 1 + 1);
  EXPECT_EQ(plan.total, static_cast<int64_t>(plan.runs.size()));
}

}  // namespace
}  // namespace plugtune::study
