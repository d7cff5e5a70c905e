// sst2_test.cc - both layouts of the files, and every message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/dataset_plugin.h"
#include "support/temp_folder.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kLines = "one long string of cliches\t0\n\t1\na stirring , funny film\t1\n";

TEST(Sst2, ReadsFilesWithoutHeader) {
  const TempFolder folder;
  folder.write("train.tsv", kLines);
  folder.write("dev.tsv", "no movement\t0\n");
  folder.write("test.tsv", "\"great\"\t1");  // no line break at the end
  const auto sst2 = make_dataset({{"path", folder.path()}});
  EXPECT_THAT(sst2->task().labels, ElementsAre("negative", "positive"));
  EXPECT_THAT(texts(*sst2, Split::kTrain), ElementsAre("one long string of cliches", "a stirring , funny film"));
  EXPECT_THAT(labels(*sst2, Split::kTrain), ElementsAre(0, 1));
  EXPECT_THAT(texts(*sst2, Split::kValidation), ElementsAre("no movement"));
  EXPECT_THAT(texts(*sst2, Split::kTest), ElementsAre("\"great\""));
  const auto* source = dynamic_cast<const ExampleSource*>(sst2.get());
  EXPECT_EQ(source->file_name(Split::kValidation), "dev.tsv");
  EXPECT_EQ(source->place(Split::kTrain, 1), folder.path("train.tsv") + ":3");
  EXPECT_EQ(source->left_out(Split::kTrain), 1u);
}

TEST(Sst2, ReadsGluesFilesWhoseTestHasNoLabels) {
  const TempFolder folder;
  folder.write("train.tsv", "sentence\tlabel\r\nhide new secretions \t0\r\n");
  folder.write("dev.tsv", "sentence\tlabel\nit 's a charming journey . \t1\n");
  folder.write("test.tsv", "index\tsentence\n0\tuneasy mishmash\n");
  const auto sst2 = make_dataset({{"path", folder.path()}});
  EXPECT_THAT(texts(*sst2, Split::kTrain), ElementsAre("hide new secretions "));
  EXPECT_THAT(labels(*sst2, Split::kValidation), ElementsAre(1));
  EXPECT_EQ(sst2->size(Split::kTest), 0u);
  EXPECT_EQ(dynamic_cast<const ExampleSource*>(sst2.get())->file_name(Split::kTest), "");
}

TEST(Sst2, NamesBadRowsByFileAndLine) {
  const TempFolder folder;
  folder.write("train.tsv", "good\t1\nsentence\tlabel\nonly text\n");
  folder.write("dev.tsv", "fine\t1\n");
  const std::string file = folder.path("train.tsv");
  EXPECT_EQ(dataset_error({{"path", folder.path()}}), "label: must be 0 or 1, got 'label' (" + file + ":2)\n" +
                                                          "row: must have 2 columns, got 1 (" + file +
                                                          ":3); sentence and label have one tab between them");
}

TEST(Sst2, SaysWhatIsMissing) {
  const TempFolder folder;
  folder.write("train.tsv", kLines);
  folder.write("validation.tsv", kLines);
  EXPECT_EQ(dataset_error({{"path", folder.path()}}), "data.path: must be a folder with dev.tsv; " + folder.path() +
                                                          " has: train.tsv, validation.tsv (data.toml:2)");
  folder.write("dev.tsv", "");
  EXPECT_EQ(dataset_error({{"path", folder.path()}}), folder.path("dev.tsv") + ": must have rows, got an empty file");
}

TEST(Sst2, ReadsTheRealFiles) {
  PLUGTUNE_TEST_DATA_OR_SKIP(folder);
  const auto sst2 = make_dataset({{"path", folder + "/sst2"}});
  EXPECT_EQ(sst2->size(Split::kTrain), 6920u);
  EXPECT_EQ(sst2->size(Split::kValidation), 872u);
  EXPECT_EQ(sst2->size(Split::kTest), 1821u);
  EXPECT_EQ(sst2->at(Split::kTrain, 0).text_a.substr(0, 15), "a stirring , fu");
}

}  // namespace
}  // namespace plugtune::testing
