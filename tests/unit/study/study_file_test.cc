// study_file_test.cc - what a study file says, and what is told of one that is wrong.
#include "study/study_file.h"

#include "study/placeholders.h"
#include "unit/study/support.h"

namespace plugtune::study {
namespace {

TEST(StudyFile, SaysMethodsSizesSeedsAndRates) {
  const Study study =
      study_from(std::string("[study]\nname = \"s\"\nseeds = [1, 2]\nsizes = [10, 20]\njobs = 2\nreference = \"b\"\n") +
                 kCommonTables + R"(
[search]
learning_rates = [1e-4, 1e-3]
[[method]]
name = "a"
strategy = { plugin = "x" }
[[method]]
name = "b"
strategy = { plugin = "y", sources = ["{a}", "{c}"] }
train = { learning_rate = 2e-5 }
[[source]]
name = "c"
strategy = { plugin = "x" }
)");
  EXPECT_EQ(study.problems, std::vector<std::string>{});
  EXPECT_EQ(study.directory, "studies/s");
  EXPECT_EQ(study.seeds, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(study.reference, 1u);
  EXPECT_EQ(study.methods[0].rates.size(), 2u);  // the search's
  EXPECT_EQ(study.methods[1].rates.size(), 0u);  // its own, fixed
  EXPECT_EQ(study.methods[1].sources, (std::vector<size_t>{0, 2}));
  EXPECT_TRUE(study.methods[2].once);
  EXPECT_EQ(study.search->seeds, (std::vector<int64_t>{1}));
  EXPECT_EQ(whole(study.search->size), 10);
  const auto place = [&](size_t method) { return std::ranges::find(study.order, method) - study.order.begin(); };
  EXPECT_GT(place(1), place(0));
  EXPECT_GT(place(1), place(2));
}

TEST(StudyFile, AllProblemsAreToldTogetherWithTheirPlaces) {
  EXPECT_EQ(
      problems_of(R"([study]
name = "a/b"
sizes = [10, 10]
jobs = 0
reference = "ful"
[strategy]
plugin = "x"
[search]
learning_rates = []
epochs = 1
steps = 5
[[method]]
name = "full"
strategy = { plugin = "x" }
[[method]]
name = "full"
learning_rates = [1e-3, 2e-3]
train = { learning_rate = 1e-3 }
[[method]]
name = "fusion"
strategy = { plugin = "y", sources = ["{fulll}"] }
sedes = 1
)"),
      R"(study.name: must be the name of a directory, without '/', '{' and '}' and not beginning with '.' or '-', got "a/b" (study.toml:2)
study.sizes: must be a list of different whole numbers of at least 0, got [10, 10] (study.toml:3)
study.jobs: must be between 1 and 64, got 0 (study.toml:4)
strategy: unknown table; each [[method]] has its own; tables of a study: study, model, data, task, train, eval, method, source, search (study.toml:6)
search.learning_rates: must be a list of different rates, each more than 0, got [] (study.toml:9)
search.steps: is given together with epochs; keep one of the two (study.toml:11)
method[1].strategy: is missing; give it a table, or a list of them, as an experiment has (study.toml:15)
method[1].learning_rates: is given together with train.learning_rate; keep one of the two (study.toml:17)
method[2].sedes: unknown key; did you mean 'seeds'? keys of [[method]]: name, strategy, from, model, data, task, train, eval, learning_rates, seeds, sizes (study.toml:22)
method[1].name: 'full' is the name of method[0] too; each needs one of its own (study.toml:16)
method[2]: "{fulll}" stands for the run of a method that the study does not have; did you mean 'full'? methods and sources: full, full, fusion (study.toml:21)
study.reference: there is no method 'ful'; did you mean 'full'? methods: full, full, fusion (study.toml:5)
)");
}

TEST(StudyFile, RatesToChooseFromNeedASearch) {
  EXPECT_EQ(problems_of("[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\nlearning_rates = [1, 2]\n"),
            "method[0].learning_rates: needs a [search] that says how one is chosen (study.toml:4)\n");
}

TEST(StudyFile, ASearchNeedsRates) {
  EXPECT_EQ(
      problems_of("[search]\nlearning_rates = [1e-3]\n[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\n"),
      "search: has no rates to choose from; give it, or a [[method]], learning_rates of two or more (study.toml:1)\n");
}

TEST(StudyFile, LimitsAreItsSizes) {
  const std::string file =
      "[study]\nsizes = [10]\n[data]\ntrain_limit = 5\n"
      "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\ndata = { train_limit = 7 }\n";
  EXPECT_EQ(problems_of(file),
            "data.train_limit: is study.sizes in a study (study.toml:4)\n"
            "method[0].data.train_limit: is study.sizes in a study (study.toml:8)\n");
  // Of a source that is trained once it is its own.
  EXPECT_EQ(problems_of("[study]\nsizes = [10]\n[data]\ntrain_limit = 5\n"
                        "[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\", sources = [\"{b}\"] }\n"
                        "[[source]]\nname = \"b\"\nstrategy = { plugin = \"x\" }\n"),
            "");
}

TEST(StudyFile, StepsAndEpochsExcludeEachOtherInOneTable) {
  EXPECT_EQ(problems_of("[train]\nepochs = 2\nsteps = 5\n[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\n"
                        "train = { epochs = 1, steps = 7 }\n"),
            "train.steps: is given together with epochs; keep one of the two (study.toml:3)\n"
            "method[0].train.steps: is given together with epochs; keep one of the two (study.toml:7)\n");
  // A method's own go before the study's.
  EXPECT_EQ(problems_of("[train]\nepochs = 2\n[[method]]\nname = \"a\"\nstrategy = { plugin = \"x\" }\n"
                        "train = { steps = 7 }\n"),
            "");
}

TEST(StudyFile, AStudyWithoutMethodsSaysSo) {
  EXPECT_EQ(problems_of("[study]\nname = \"s\"\n"),
            "method: must be a list of tables, [[method]], and there is none (study.toml)\n");
}

TEST(StudyFile, AMethodHasSomeOfTheStudysSeedsAndSizesAndTheRunsThatOthersStartFrom) {
  const std::string study = "[study]\nseeds = [1, 2]\nsizes = [10, 0]\n";
  EXPECT_EQ(problems_of(study + R"([[method]]
name = "a"
strategy = { plugin = "x" }
seeds = [2, 3]
sizes = [11]
[[source]]
name = "b"
strategy = { plugin = "x" }
seeds = [1]
)"),
            "method[0].seeds: must be a list of some of study.seeds (1, 2), got [2, 3] (study.toml:7)\n"
            "method[0].sizes: must be a list of some of study.sizes (10, 0), got [11] (study.toml:8)\n"
            "source[0].seeds: unknown key; keys of [[source]]: name, strategy, from, model, data, task, train, eval, "
            "learning_rates, per (study.toml:12)\n");
  EXPECT_EQ(problems_of(study + R"([[method]]
name = "a"
strategy = { plugin = "x" }
seeds = [2]
[[method]]
name = "b"
strategy = { plugin = "x", sources = ["{a}"] }
sizes = [0]
)"),
            "method[1]: is trained at size all with seed 1, and starts from 'a', which is not (study.toml:11)\n");
}

TEST(StudyFile, MethodsCannotStartFromEachOther) {
  EXPECT_EQ(problems_of(R"([[method]]
name = "a"
strategy = { plugin = "x", sources = ["{b}"] }
[[method]]
name = "b"
strategy = { plugin = "x", sources = ["{a}"] }
)"),
            "method: 'a', 'b' start from each other's runs; one has to be first (study.toml)\n");
}

TEST(StudyFile, ASourceThatIsTrainedOnceStartsFromNoRunOfASize) {
  EXPECT_EQ(problems_of(R"([[method]]
name = "a"
strategy = { plugin = "x" }
[[source]]
name = "b"
strategy = { plugin = "x", sources = ["{a}"] }
)"),
            "source[0]: is trained once for the study and cannot start from 'a', which is trained at each size and "
            "seed; write per = "
            "\"run\" (study.toml:6)\n");
}

TEST(Placeholders, AreWholeTextsInBraces) {
  EXPECT_EQ(placeholder_name("{a}"), "a");
  EXPECT_EQ(placeholder_name("runs/{a}"), "");
  EXPECT_EQ(placeholder_name("{}"), "");
}

}  // namespace
}  // namespace plugtune::study
