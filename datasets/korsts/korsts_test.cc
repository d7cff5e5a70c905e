// korsts_test.cc - the official form of the files, what may be odd in them, and every message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/dataset_plugin.h"
#include "support/temp_folder.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kHeader = "genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2\n";
constexpr std::string_view kTrainRows =
    "main-captions\tkitchen\t2012test\t0001\t5.000\t물이 끓는다.\t물이 끓고 있다.\n"
    "main-news\tmarket\t2013\t12\t0\t\"비가 온다\"고 했다.\t가게가 문을 닫았다.\n"
    "main-news\tmarket\t2013\t13\t2.400000\t \t가게가 문을 열었다.\n"
    "main-forum\tgarden\t2015\t0002\t3.25\t꽃이 피었다.\t\"꽃이 졌다.\n"
    "main-forum\tgarden\t2015\t0003\t1.5\t꽃이 피었다.\t\n";
constexpr std::string_view kTestRows =
    "main-captions\tkitchen\t2012test\t0003\t4.2\t\t물이 식는다.";  // no line break at the end

std::string with_header(std::string_view rows) { return std::string(kHeader) + std::string(rows); }

struct Files {
  explicit Files(const std::string& train = with_header(kTrainRows)) {
    folder.write("sts-train.tsv", train);
    folder.write("sts-dev.tsv", with_header("main-news\tmarket\t2013\t14\t1.000\t값이 올랐다.\t값이 내렸다.\n"));
    folder.write("sts-test.tsv", with_header(kTestRows));
  }
  TempFolder folder;
};

TEST(KorSts, ReadsPairsAndScoresAndKeepsHalfPairsOutOfTrainingOnly) {
  const Files files;
  const auto korsts = make_dataset({{"path", files.folder.path()}});
  EXPECT_EQ(korsts->task().kind, TaskKind::kRegression);
  EXPECT_TRUE(korsts->task().pairs);
  EXPECT_TRUE(korsts->task().labels.empty());
  EXPECT_THAT(texts(*korsts, Split::kTrain), ElementsAre("물이 끓는다.", "\"비가 온다\"고 했다.", "꽃이 피었다."));
  EXPECT_THAT(second_texts(*korsts, Split::kTrain),
              ElementsAre("물이 끓고 있다.", "가게가 문을 닫았다.", "\"꽃이 졌다."));
  EXPECT_THAT(scores(*korsts, Split::kTrain), ElementsAre(5.0, 0.0, 3.25));
  EXPECT_THAT(texts(*korsts, Split::kTest), ElementsAre(""));
  EXPECT_THAT(second_texts(*korsts, Split::kTest), ElementsAre("물이 식는다."));
  EXPECT_THAT(scores(*korsts, Split::kTest), ElementsAre(4.2));
}

TEST(KorSts, SaysWhereAnExampleStandsAndHowManyRowsItLeftOut) {
  const Files files;
  const auto korsts = make_dataset({{"path", files.folder.path()}});
  const auto* source = dynamic_cast<const ExampleSource*>(korsts.get());
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->file_name(Split::kTrain), "sts-train.tsv");
  EXPECT_EQ(source->file_name(Split::kValidation), "sts-dev.tsv");
  EXPECT_EQ(source->place(Split::kTrain, 2), files.folder.path("sts-train.tsv") + ":5");
  EXPECT_EQ(source->left_out(Split::kTrain), 2u);
  EXPECT_EQ(source->left_out(Split::kTest), 0u);
}

TEST(KorSts, AcceptsAByteOrderMarkAndCarriageReturns) {
  std::string windows = "\xEF\xBB\xBF";
  for (const char c : with_header(kTrainRows))
    windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const Files files(windows);
  const auto korsts = make_dataset({{"path", files.folder.path()}});
  EXPECT_THAT(second_texts(*korsts, Split::kTrain),
              ElementsAre("물이 끓고 있다.", "가게가 문을 닫았다.", "\"꽃이 졌다."));
}

TEST(KorSts, ReportsTheFirstBadRowsTogetherWithTheirLines) {
  const Files files(
      with_header("g\tf\t2012\t1\t1.0\ta\tb\n"
                  "g\tf\t2012\t2\t1.0\ta\n"        // a field is missing
                  "g\tf\t2012\t3\t1.0\ta\tb\tc\n"  // a tab too many
                  "g\tf\t2012\t4\t5.1\ta\tb\n"     // above
                  "g\tf\t2012\t5\t-0.1\ta\tb\n"    // below
                  "g\tf\t2012\t6\t\ta\tb\n"        // none
                  "g\tf\t2012\t7\tnan\ta\tb\n"     // and two that are counted only
                  "g\tf\t2012\t8\t2,5\ta\tb\n"));
  const std::string file = files.folder.path("sts-train.tsv");
  const std::string hint =
      "; genre, filename, year, id, score, sentence1 and sentence2 have one tab between them each\n";
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}}),
            "row: must have 7 columns, got 6 (" + file + ":3)" + hint + "row: must have 7 columns, got 8 (" + file +
                ":4)" + hint + "score: must be a number from 0 to 5, got '5.1' (" + file + ":5)\n" +
                "score: must be a number from 0 to 5, got '-0.1' (" + file + ":6)\n" +
                "score: must be a number from 0 to 5, got '' (" + file + ":7)\n" + "and 2 more problems in " + file);
}

TEST(KorSts, RefusesAScoreThatIsNotANumberFrom0To5) {
  for (const std::string score : {"nan", "inf", "2,5", "3.0 ", " 3.0", "three", "+3"}) {
    const Files files(with_header("g\tf\t2012\t1\t" + score + "\ta\tb\n"));
    EXPECT_EQ(dataset_error({{"path", files.folder.path()}}), "score: must be a number from 0 to 5, got '" + score +
                                                                  "' (" + files.folder.path("sts-train.tsv") + ":2)");
  }
}

TEST(KorSts, RefusesAFileWithoutItsHeader) {
  const Files files("g\tf\t2012\t1\t1.0\ta\tb\n");
  EXPECT_EQ(
      dataset_error({{"path", files.folder.path()}}),
      "header: must be 'genre', 'filename', 'year', 'id', 'score', 'sentence1' and 'sentence2' with tabs between, "
      "got 'g\\tf\\t2012\\t1\\t1.0\\ta\\tb' (" +
          files.folder.path("sts-train.tsv") + ":1)");
}

TEST(KorSts, SaysWhatIsMissingAndWhereItComesFrom) {
  const Files files;
  std::filesystem::remove(files.folder.path("sts-dev.tsv"));
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}, {"validaton", 0.1}}),
            "data.path: must be a folder with sts-dev.tsv; " + files.folder.path() +
                " has: sts-test.tsv, sts-train.tsv; get the official files from "
                "https://github.com/kakaobrain/kor-nlu-datasets (data.toml:2)\n"
                "data.validaton: unknown key; keys of dataset 'korsts': path (data.toml:3)");
}

TEST(KorSts, ReadsTheRealFiles) {
  PLUGTUNE_TEST_DATA_OR_SKIP(folder);
  const auto korsts = make_dataset({{"path", folder + "/kornlu"}});
  EXPECT_EQ(korsts->size(Split::kTrain), 5749u);
  EXPECT_EQ(korsts->size(Split::kValidation), 1500u);
  EXPECT_EQ(korsts->size(Split::kTest), 1379u);
}

}  // namespace
}  // namespace plugtune::testing
