// kornli_test.cc - the official form of the files, the parts to train on, and every message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "support/dataset_plugin.h"
#include "support/temp_folder.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kHeader = "sentence1\tsentence2\tgold_label\n";
constexpr std::string_view kSnliRows =
    "아이가 연을 날린다.\t아이가 밖에 있다.\tentailment\n"
    "\"아이\"가 연을 날린다.\t\"아이는 잔다.\tcontradiction\n"
    "아이가 연을 날린다.\t아이는 열 살이다.\t-\n"
    "\t아이가 운다.\tneutral\n"
    "아이가 연을 날린다.\t \tneutral\n";
constexpr std::string_view kMultiNliRows = "나는 몰랐다.\t나는 나중에 알았다.\tneutral\n";
constexpr std::string_view kTestRows =
    "\t문이 열렸다.\tneutral\n문이 닫혔다.\t창도 닫혔다.\t-";  // no line break at the end

ConfigNode::Array names(const std::vector<std::string>& values) {
  ConfigNode::Array array;
  for (const std::string& value : values)
    array.push_back({value});
  return array;
}

std::string with_header(std::string_view rows) { return std::string(kHeader) + std::string(rows); }

struct Files {
  explicit Files(const std::string& snli = with_header(kSnliRows)) {
    folder.write("snli_1.0_train.ko.tsv", snli);
    folder.write("multinli.train.ko.tsv", with_header(kMultiNliRows));
    folder.write("xnli.dev.ko.tsv", with_header("가게가 열렸다.\t가게가 닫혔다.\tcontradiction\n"));
    folder.write("xnli.test.ko.tsv", with_header(kTestRows));
  }
  TempFolder folder;
};

TEST(KorNli, ReadsBothTrainingPartsOneAfterTheOther) {
  const Files files;
  const auto kornli = make_dataset({{"path", files.folder.path()}});
  EXPECT_EQ(kornli->task().kind, TaskKind::kClassification);
  EXPECT_THAT(kornli->task().labels, ElementsAre("entailment", "neutral", "contradiction"));
  EXPECT_TRUE(kornli->task().pairs);
  EXPECT_THAT(texts(*kornli, Split::kTrain),
              ElementsAre("아이가 연을 날린다.", "\"아이\"가 연을 날린다.", "나는 몰랐다."));
  EXPECT_THAT(second_texts(*kornli, Split::kTrain),
              ElementsAre("아이가 밖에 있다.", "\"아이는 잔다.", "나는 나중에 알았다."));
  EXPECT_THAT(labels(*kornli, Split::kTrain), ElementsAre(0, 2, 1));
  EXPECT_THAT(labels(*kornli, Split::kValidation), ElementsAre(2));
}

TEST(KorNli, PassesOverPairsWithoutALabelAndKeepsHalfPairsOutOfTrainingOnly) {
  const Files files;
  const auto kornli = make_dataset({{"path", files.folder.path()}});
  EXPECT_THAT(texts(*kornli, Split::kTest), ElementsAre(""));
  EXPECT_THAT(second_texts(*kornli, Split::kTest), ElementsAre("문이 열렸다."));
  const auto* source = dynamic_cast<const ExampleSource*>(kornli.get());
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->left_out(Split::kTrain), 2u);  // the row with "-" has its texts
  EXPECT_EQ(source->left_out(Split::kTest), 0u);
}

TEST(KorNli, SaysWhereAnExampleStands) {
  const Files files;
  const auto kornli = make_dataset({{"path", files.folder.path()}});
  const auto* source = dynamic_cast<const ExampleSource*>(kornli.get());
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->file_name(Split::kTrain), "snli_1.0_train.ko.tsv, multinli.train.ko.tsv");
  EXPECT_EQ(source->file_name(Split::kValidation), "xnli.dev.ko.tsv");
  EXPECT_EQ(source->file_name(Split::kTest), "xnli.test.ko.tsv");
  EXPECT_EQ(source->place(Split::kTrain, 1), files.folder.path("snli_1.0_train.ko.tsv") + ":3");
  EXPECT_EQ(source->place(Split::kTrain, 2), files.folder.path("multinli.train.ko.tsv") + ":2");
  EXPECT_EQ(source->place(Split::kValidation, 0), files.folder.path("xnli.dev.ko.tsv") + ":2");
}

TEST(KorNli, AcceptsAByteOrderMarkAndCarriageReturns) {
  std::string windows = "\xEF\xBB\xBF";
  for (const char c : with_header(kSnliRows))
    windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const Files files(windows);
  const auto kornli = make_dataset({{"path", files.folder.path()}, {"train", names({"snli"})}});
  EXPECT_THAT(labels(*kornli, Split::kTrain), ElementsAre(0, 2));
}

TEST(KorNli, TrainsOnOnePartWithoutTheFileOfTheOther) {
  const Files files;
  std::filesystem::remove(files.folder.path("snli_1.0_train.ko.tsv"));
  const auto kornli = make_dataset({{"path", files.folder.path()}, {"train", names({"multinli"})}});
  EXPECT_THAT(texts(*kornli, Split::kTrain), ElementsAre("나는 몰랐다."));
  EXPECT_THAT(texts(*kornli, Split::kValidation), ElementsAre("가게가 열렸다."));
}

TEST(KorNli, TrainsOnTheDevelopmentPairsAndKeepsWholePremisesForValidation) {
  const TempFolder folder;
  std::string dev(kHeader);
  for (int i = 0; i < 60; ++i)
    dev += "premise " + std::to_string(i % 20) + "\thypothesis " + std::to_string(i) + "\tneutral\n";
  folder.write("xnli.dev.ko.tsv", dev);
  folder.write("xnli.test.ko.tsv", with_header(kTestRows));
  const auto cut = [&](double share, int64_t seed) {
    return make_dataset(
        {{"path", folder.path()}, {"train", names({"dev"})}, {"validation", share}, {"validation_seed", seed}});
  };
  const auto kornli = cut(0.25, 3);
  const std::vector<std::string> validation = texts(*kornli, Split::kValidation), rest = texts(*kornli, Split::kTrain);
  EXPECT_EQ(validation.size(), 15u);  // 5 premises of 20, with three hypotheses each
  EXPECT_EQ(rest.size(), 45u);
  const std::set<std::string> premises(validation.begin(), validation.end());
  EXPECT_EQ(premises.size(), 5u);
  EXPECT_TRUE(std::none_of(rest.begin(), rest.end(), [&](const std::string& text) { return premises.contains(text); }));
  EXPECT_EQ(texts(*cut(0.25, 3), Split::kValidation), validation);
  EXPECT_NE(texts(*cut(0.25, 4), Split::kValidation), validation);
  const auto* source = dynamic_cast<const ExampleSource*>(kornli.get());
  EXPECT_EQ(source->file_name(Split::kTrain), "xnli.dev.ko.tsv");
  EXPECT_EQ(source->file_name(Split::kValidation), "xnli.dev.ko.tsv");

  const auto whole = make_dataset({{"path", folder.path()}, {"train", names({"dev"})}});
  EXPECT_EQ(whole->size(Split::kTrain), 60u);
  EXPECT_EQ(whole->size(Split::kValidation), 0u);
  EXPECT_EQ(dynamic_cast<const ExampleSource*>(whole.get())->file_name(Split::kValidation), "");
}

TEST(KorNli, ReportsTheFirstBadRowsTogetherWithTheirLines) {
  const Files files(
      with_header("a\tb\tneutral\n"
                  "a\tb\n"                 // a field is missing
                  "a\tb\tc\tentailment\n"  // a tab too many
                  "a b\tneutral\n"         // blanks where a tab belongs
                  "a\tb\tEntailment\n"
                  "a\tb\t\n"
                  "a\tb\tno\n"
                  "\n"));
  const std::string file = files.folder.path("snli_1.0_train.ko.tsv");
  const std::string hint = "; sentence1, sentence2 and gold_label have one tab between them each\n";
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}}),
            "row: must have 3 columns, got 2 (" + file + ":3)" + hint + "row: must have 3 columns, got 4 (" + file +
                ":4)" + hint + "row: must have 3 columns, got 2 (" + file + ":5)" + hint +
                "label: must be entailment, neutral, contradiction or -, got 'Entailment' (" + file + ":6)\n" +
                "label: must be entailment, neutral, contradiction or -, got '' (" + file + ":7)\n" +
                "and 2 more problems in " + file);
}

TEST(KorNli, RefusesAFileWithoutItsHeader) {
  const Files files("a\tb\tneutral\n");
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}}),
            "header: must be 'sentence1', 'sentence2' and 'gold_label' with tabs between, got 'a\\tb\\tneutral' (" +
                files.folder.path("snli_1.0_train.ko.tsv") + ":1)");
}

TEST(KorNli, SaysWhatIsMissingAndHowToDoWithoutIt) {
  const Files files;
  std::filesystem::remove(files.folder.path("snli_1.0_train.ko.tsv"));
  std::filesystem::remove(files.folder.path("multinli.train.ko.tsv"));
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}}),
            "data.path: must be a folder with snli_1.0_train.ko.tsv and multinli.train.ko.tsv; " + files.folder.path() +
                " has: xnli.dev.ko.tsv, xnli.test.ko.tsv; get the official files from "
                "https://github.com/kakaobrain/kor-nlu-datasets; train = [\"multinli\"] does without "
                "snli_1.0_train.ko.tsv, train = [\"dev\"] without both (data.toml:2)");
}

TEST(KorNli, ReportsAllBadSettingsTogether) {
  const Files files;
  EXPECT_EQ(dataset_error({{"path", files.folder.path()},
                           {"train", names({"snli", "mnli"})},
                           {"validation", 0.1},
                           {"seed", int64_t{1}}}),
            "data.train: must be of snli, multinli, dev, got 'mnli' (data.toml:3)\n"
            "data.validation: must be 0 when xnli.dev.ko.tsv is the validation split; it is unless train names dev "
            "(data.toml:4)\n"
            "data.seed: unknown key; keys of dataset 'kornli': path, train, validation, validation_seed (data.toml:5)");
  EXPECT_EQ(dataset_error({{"path", files.folder.path()}, {"train", names({})}}),
            "data.train: must name a part at least: snli, multinli, dev (data.toml:3)");
}

TEST(KorNli, ReadsTheRealFiles) {
  PLUGTUNE_TEST_DATA_OR_SKIP(folder);
  const auto kornli = make_dataset({{"path", folder + "/kornlu"}, {"train", names({"dev"})}, {"validation", 0.1}});
  EXPECT_EQ(kornli->size(Split::kTrain) + kornli->size(Split::kValidation), 2490u);
  EXPECT_EQ(kornli->size(Split::kValidation), 249u);
  EXPECT_EQ(kornli->size(Split::kTest), 5010u);
}

}  // namespace
}  // namespace plugtune::testing
