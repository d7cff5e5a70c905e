// nsmc_test.cc - the official files, what may be odd in them, and every message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "support/dataset_plugin.h"
#include "support/temp_folder.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kTrain =
    "id\tdocument\tlabel\n"
    "1\t재미있다 \"최고\"\t1\n"
    "2\t\t0\n"
    "3\t별로, 돈이 아깝다\t0\n"
    "4\t 　\t1\n"
    "5\t또 보고 싶다\t1\n";
constexpr std::string_view kTest = "id\tdocument\tlabel\n6\t\t0\n7\t좋다\t1\n";

struct Files {
  explicit Files(std::string_view train = kTrain, std::string_view test = kTest) {
    folder.write("ratings_train.txt", train);
    folder.write("ratings_test.txt", test);
  }
  TempFolder folder;
};

TEST(Nsmc, ReadsTheOfficialFilesAndKeepsEmptyReviewsOutOfTrainingOnly) {
  const Files files;
  const auto nsmc = make_dataset({{"path", files.folder.path()}});
  EXPECT_EQ(nsmc->task().kind, TaskKind::kClassification);
  EXPECT_THAT(nsmc->task().labels, ElementsAre("negative", "positive"));
  EXPECT_FALSE(nsmc->task().pairs);
  EXPECT_THAT(texts(*nsmc, Split::kTrain), ElementsAre("재미있다 \"최고\"", "별로, 돈이 아깝다", "또 보고 싶다"));
  EXPECT_THAT(labels(*nsmc, Split::kTrain), ElementsAre(1, 0, 1));
  EXPECT_THAT(texts(*nsmc, Split::kTest), ElementsAre("", "좋다"));
  EXPECT_EQ(nsmc->size(Split::kValidation), 0u);
}

TEST(Nsmc, SaysWhereAnExampleStandsAndHowManyRowsItLeftOut) {
  const Files files;
  const auto nsmc = make_dataset({{"path", files.folder.path()}});
  const auto* source = dynamic_cast<const ExampleSource*>(nsmc.get());
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->file_name(Split::kTrain), "ratings_train.txt");
  EXPECT_EQ(source->file_name(Split::kValidation), "");
  EXPECT_EQ(source->place(Split::kTrain, 1), files.folder.path("ratings_train.txt") + ":4");
  EXPECT_EQ(source->left_out(Split::kTrain), 2u);
  EXPECT_EQ(source->left_out(Split::kTest), 0u);
}

TEST(Nsmc, AcceptsAByteOrderMarkAndCarriageReturns) {
  std::string windows = "\xEF\xBB\xBF";
  for (const char c : kTrain)
    windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const Files files(windows);
  const auto nsmc = make_dataset({{"path", files.folder.path()}});
  EXPECT_THAT(texts(*nsmc, Split::kTrain), ElementsAre("재미있다 \"최고\"", "별로, 돈이 아깝다", "또 보고 싶다"));
  EXPECT_THAT(labels(*nsmc, Split::kTrain), ElementsAre(1, 0, 1));
}

TEST(Nsmc, CutsTheSameValidationPartForTheSameSeedAndLosesNoReview) {
  std::string train = "id\tdocument\tlabel\n";
  for (int i = 0; i < 200; ++i)
    train += std::to_string(i) + "\treview " + std::to_string(i) + "\t1\n";
  const Files files(train);
  const auto cut = [&](double share, int64_t seed) {
    return make_dataset({{"path", files.folder.path()}, {"validation", share}, {"validation_seed", seed}});
  };
  const auto nsmc = cut(0.1, 3);
  const std::vector<std::string> validation = texts(*nsmc, Split::kValidation), rest = texts(*nsmc, Split::kTrain);
  EXPECT_EQ(validation.size(), 20u);
  std::set<std::string> all(validation.begin(), validation.end());
  all.insert(rest.begin(), rest.end());
  EXPECT_EQ(all.size(), 200u);
  EXPECT_TRUE(std::is_sorted(rest.begin(), rest.end(), [](const auto& a, const auto& b) {
    return std::stoi(a.substr(7)) < std::stoi(b.substr(7));
  })) << "training examples stay in the file's order: train_limit takes the first ones";
  EXPECT_EQ(texts(*cut(0.1, 3), Split::kValidation), validation);
  EXPECT_NE(texts(*cut(0.1, 4), Split::kValidation), validation);
}

TEST(Nsmc, ReportsTheFirstBadRowsTogetherWithTheirLines) {
  const Files files(
      "id\tdocument\tlabel\n1\tgood\t1\n2\tbad\n3\tso\tso\t0\n4\tfine\tpositive\n5\tx\t2\n6\tx\t2\n7\tx\t2\n8\tx\t2\n");
  const std::string file = files.folder.path("ratings_train.txt");
  const std::string hint = "; id, document and label have one tab between them each\n";
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}}),
            "row: must have 3 columns, got 2 (" + file + ":3)" + hint + "row: must have 3 columns, got 4 (" + file +
                ":4)" + hint + "label: must be 0 or 1, got 'positive' (" + file + ":5)\n" +
                "label: must be 0 or 1, got '2' (" + file + ":6)\n" + "label: must be 0 or 1, got '2' (" + file +
                ":7)\n" + "and 2 more problems in " + file);
}

TEST(Nsmc, RefusesAFileWithoutItsHeader) {
  const Files files("1\tgood\t1\n");
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}}),
            "header: must be 'id', 'document' and 'label' with tabs between, got '1\\tgood\\t1' (" +
                files.folder.path("ratings_train.txt") + ":1)");
}

TEST(Nsmc, NamesLineAndByteOfTextThatIsNotUtf8) {
  const Files files("id\tdocument\tlabel\n1\t\xC0\xE7\xB9\xCC\xC0\xD6\xB4\xD9\t1\n");  // 재미있다 in CP949
  const std::string file = files.folder.path("ratings_train.txt");
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}}),
            file + ": must be UTF-8, got byte 0xC0 at position 20 (" + file +
                ":2); if it is cp949, convert it: iconv -f cp949 -t utf-8 " + file + " > utf8.txt");
}

TEST(Nsmc, SaysWhatTheFolderHasAndWhereTheFilesComeFromWhenOneIsMissing) {
  const TempFolder folder;
  folder.write("ratings.txt", kTrain);
  const std::string where_from =
      "; get the official files from https://github.com/e9t/nsmc, or train configs/nsmc/quickstart.toml, which runs "
      "without them (data.toml:2)";
  EXPECT_EQ(dataset_error({{"path", folder.path()}}),
            "data.path: must be a folder with ratings_train.txt and ratings_test.txt; " + folder.path() +
                " has: ratings.txt" + where_from);
  EXPECT_EQ(dataset_error({{"path", folder.path("ratings.txt")}}),
            "data.path: must be a folder with ratings_train.txt and ratings_test.txt, got the file " +
                folder.path("ratings.txt") + where_from);
  EXPECT_EQ(dataset_error({{"path", folder.path("nowhere")}}),
            "data.path: must be a folder with ratings_train.txt and ratings_test.txt; " + folder.path("nowhere") +
                ": not found" + where_from);
}

TEST(Nsmc, ReportsAllBadSettingsTogether) {
  EXPECT_EQ(dataset_error({{"validaton", 0.1}, {"validation", 0.9}}),
            "data.path: is required (data.toml:1)\n"
            "data.validation: must be between 0 and 0.5, got 0.9 (data.toml:3)\n"
            "data.validaton: unknown key; did you mean 'validation'? keys of dataset 'nsmc': path, validation, "
            "validation_seed (data.toml:2)");
}

TEST(Nsmc, ReadsTheBundledSample) {
  const auto nsmc = make_dataset({{"path", std::string(PLUGTUNE_SOURCE_DIR "/datasets/nsmc/sample")}});
  EXPECT_GE(nsmc->size(Split::kTrain), 1000u);
  EXPECT_GE(nsmc->size(Split::kTest), 100u);
}

TEST(Nsmc, ReadsAll200000RealReviews) {
  PLUGTUNE_TEST_DATA_OR_SKIP(folder);
  const auto nsmc = make_dataset({{"path", folder + "/nsmc"}});
  const auto* source = dynamic_cast<const ExampleSource*>(nsmc.get());
  EXPECT_EQ(nsmc->size(Split::kTrain) + source->left_out(Split::kTrain), 150000u);
  EXPECT_EQ(nsmc->size(Split::kTest), 50000u);
  EXPECT_EQ(nsmc->at(Split::kTrain, 0).text_a, "만화 그냥 만화로 나둬라 ㅎ 영화 참 못 만든다 그냥 개그다 이건");
}

}  // namespace
}  // namespace plugtune::testing
