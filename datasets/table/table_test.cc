// table_test.cc - what CSV and TSV files may look like, tasks, splits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "support/dataset_plugin.h"
#include "support/temp_folder.h"

#include "cell.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> second_texts(const Dataset& dataset, Split split) {
  std::vector<std::string> all;
  for (size_t i = 0; i < dataset.size(split); ++i)
    all.push_back(dataset.at(split, i).text_b);
  return all;
}

std::vector<double> values(const Dataset& dataset, Split split) {
  std::vector<double> all;
  for (size_t i = 0; i < dataset.size(split); ++i)
    all.push_back(dataset.at(split, i).value);
  return all;
}

TEST(Table, ReadsQuotedCommasQuotesAndLineBreaks) {
  const TempFolder folder;
  const std::string file = folder.write("reviews.csv",
                                        "id,text,label\r\n"
                                        "1,\"good, really\",pos\r\n"
                                        "2,\"she said \"\"no\"\"\nand left\", neg \r\n"
                                        "\r\n"
                                        "3,5\" disk,pos\r\n"
                                        ",,\r\n"  // as spreadsheets write rows of nothing
                                        "4,\"\",neg");
  const auto table = make_dataset({{"path", file}});
  EXPECT_THAT(table->task().labels, ElementsAre("neg", "pos"));
  EXPECT_THAT(texts(*table, Split::kTrain), ElementsAre("good, really", "she said \"no\"\nand left", "5\" disk"));
  EXPECT_THAT(labels(*table, Split::kTrain), ElementsAre(1, 0, 1));
  const auto* source = dynamic_cast<const ExampleSource*>(table.get());
  EXPECT_EQ(source->file_name(Split::kTrain), "reviews.csv");
  EXPECT_EQ(source->file_name(Split::kTest), "");
  EXPECT_EQ(source->place(Split::kTrain, 2), file + ":6");
  EXPECT_EQ(source->left_out(Split::kTrain), 2u);
}

/// As Python's csv writes them on Windows to a file that was opened without newline="".
TEST(Table, TakesSeveralCarriageReturnsForOneLineEnd) {
  const TempFolder folder;
  const std::string file = folder.write("x.csv", "\"text\",\"label\"\r\r\n\"good\",1\r\r\nbad,\"0\"\r\r\n");
  const auto table = make_dataset({{"path", file}});
  EXPECT_THAT(texts(*table, Split::kTrain), ElementsAre("good", "bad"));
  EXPECT_THAT(labels(*table, Split::kTrain), ElementsAre(1, 0));
}

TEST(Table, KnowsTheSizeOfACellOfMoreThanFourGigabytes) {
  table::Cell cell;
  cell.size = 6'000'000'000;
  EXPECT_EQ(cell.size, 6'000'000'000U);
  EXPECT_EQ(cell.form, table::Form::kPlain);  // beside it in the same word
  cell.form = table::Form::kJsonNull;
  EXPECT_EQ(cell.size, 6'000'000'000U);
}

TEST(Table, TakesNoQuotesInTsvUnlessAsked) {
  const TempFolder folder;
  const std::string file = folder.write("x.tsv", "text\tlabel\n\"a\" or b\t1\n\"c\"\t0\n");
  EXPECT_THAT(texts(*make_dataset({{"path", file}}), Split::kTrain), ElementsAre("\"a\" or b", "\"c\""));
  const std::string quoted = folder.write("y.tsv", "text\tlabel\n\"a\tb\"\t1\nc\t0\n");
  EXPECT_THAT(texts(*make_dataset({{"path", quoted}, {"quote", "\""}}), Split::kTrain), ElementsAre("a\tb", "c"));
}

TEST(Table, FindsSemicolonsAsSpreadsheetsWriteThem) {
  const TempFolder folder;
  const std::string file = folder.write("x.csv", "\xEF\xBB\xBFtext;label\n\"gut; aber teuer\";1\nschlecht, leider;0\n");
  EXPECT_THAT(texts(*make_dataset({{"path", file}}), Split::kTrain),
              ElementsAre("gut; aber teuer", "schlecht, leider"));
}

TEST(Table, TellsTheFormatOfOtherEndingsByTheFirstLine) {
  const TempFolder folder;
  const Settings keys = {{"path", ""}, {"text", "text"}};
  const auto read = [&](const std::string& name, const char* bytes) {
    return texts(*make_dataset({{"path", folder.write(name, bytes)}}), Split::kTrain);
  };
  EXPECT_THAT(read("a.txt", "text\tlabel\na, b\t1\nc\t0\n"), ElementsAre("a, b", "c"));
  EXPECT_THAT(read("b.txt", "text,label\n\"a, b\",1\nc,0\n"), ElementsAre("a, b", "c"));
  EXPECT_THAT(read("c", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": 0}\n"), ElementsAre("a", "b"));
}

TEST(Table, TakesColumnsByNameOrNumber) {
  const TempFolder folder;
  const std::string file = folder.write("x.csv", "id,review,stars,stars\n1,fine,5,a\n2,bad,1,b\n");
  const auto by_name = make_dataset({{"path", file}, {"text", "review"}, {"label", "id"}});
  EXPECT_THAT(texts(*by_name, Split::kTrain), ElementsAre("fine", "bad"));
  const auto by_number = make_dataset({{"path", file}, {"text", "2"}, {"label", "4"}, {"header", true}});
  EXPECT_THAT(by_number->task().labels, ElementsAre("a", "b"));
  EXPECT_THAT(texts(*by_number, Split::kTrain), ElementsAre("fine", "bad"));
}

TEST(Table, ReadsFilesWithoutHeaderByNumber) {
  const TempFolder folder;
  const std::string bare = folder.write("x.tsv", "fine\t1\nbad\t0\nso so\t0\ngood\t1\n");
  EXPECT_EQ(make_dataset({{"path", bare}, {"text", "1"}, {"label", "2"}})->size(Split::kTrain), 4u);
  EXPECT_EQ(make_dataset({{"path", bare}, {"text", "1"}, {"label", "2"}, {"header", true}})->size(Split::kTrain), 3u);
}

TEST(Table, SeesThatTheFirstLineIsAHeaderByItsLabel) {
  const TempFolder folder;
  const auto train_size = [&](const char* bytes, const Settings& more = {}) {
    Settings settings = {{"path", folder.write("x.tsv", bytes)}, {"text", "1"}, {"label", "2"}};
    settings.insert(settings.end(), more.begin(), more.end());
    return make_dataset(settings)->size(Split::kTrain);
  };
  EXPECT_EQ(train_size("document\tlabel\na\tpos\nb\tneg\nc\tpos\n"), 3u);
  EXPECT_EQ(train_size("a\tpos\nb\tneg\nc\tpos\n"), 3u);
  EXPECT_EQ(train_size("a\tpos\nb\tneg\nc\tneutral\n"), 3u) << "nothing repeats: in doubt it is data";
  EXPECT_EQ(train_size("text\tscore\na\t1.5\nb\t2\n", {{"task", "regression"}}), 2u);
  EXPECT_EQ(train_size("text\tlabel\na\tx\nb\ty\n", {{"labels", ConfigNode::Array{{"x"}, {"y"}}}}), 2u);
}

TEST(Table, TakesTheSameHeaderOffTheOtherFiles) {
  const TempFolder folder;
  folder.write("train.tsv", "document\tlabel\na\tpos\nb\tneg\nc\tpos\n");
  folder.write("test.tsv", "document\tlabel\nd\tneg\n");
  folder.write("dev.tsv", "e\tneg\n");
  const auto table = make_dataset({{"path", folder.path()}, {"text", "1"}, {"label", "2"}});
  EXPECT_THAT(texts(*table, Split::kTest), ElementsAre("d"));
  EXPECT_THAT(texts(*table, Split::kValidation), ElementsAre("e"));
}

TEST(Table, FindsTheUsualNamesInAFolder) {
  const TempFolder folder;
  folder.write("train.csv", "text,label\na,x\nb,y\n");
  folder.write("valid.csv", "label,text\ny,c\n");  // its own order of columns
  folder.write("test.jsonl", "{\"text\": \"d\", \"label\": \"x\"}\n");
  const auto table = make_dataset({{"path", folder.path()}});
  EXPECT_THAT(texts(*table, Split::kValidation), ElementsAre("c"));
  EXPECT_THAT(labels(*table, Split::kValidation), ElementsAre(1));
  EXPECT_THAT(texts(*table, Split::kTest), ElementsAre("d"));
  EXPECT_EQ(make_dataset({{"path", folder.path()}, {"test", ""}})->size(Split::kTest), 0u);
}

TEST(Table, KeepsTheOrderOfGivenLabelsAndSortsCollectedOnesAsNumbersWhereTheyAre) {
  const TempFolder folder;
  const std::string file = folder.write("x.csv", "text,label\na,10\nb,9\nc,2\n");
  EXPECT_THAT(make_dataset({{"path", file}})->task().labels, ElementsAre("2", "9", "10"));
  EXPECT_THAT(labels(*make_dataset({{"path", file}}), Split::kTrain), ElementsAre(2, 1, 0));
  const auto given = make_dataset({{"path", file}, {"labels", ConfigNode::Array{{"9"}, {"10"}, {"2"}, {"7"}}}});
  EXPECT_THAT(given->task().labels, ElementsAre("9", "10", "2", "7"));
  EXPECT_THAT(labels(*given, Split::kTrain), ElementsAre(1, 0, 2));
}

TEST(Table, ReadsPairsAndNumbers) {
  const TempFolder folder;
  const std::string file =
      folder.write("sts.tsv", "score\ts1\ts2\n5.000\ta man\ta person\n 0.5 \tb\t\n+1e1\t\td\n1\t\t\n");
  const auto table =
      make_dataset({{"path", file}, {"text", "s1"}, {"text_pair", "s2"}, {"label", "score"}, {"task", "regression"}});
  EXPECT_EQ(table->task().kind, TaskKind::kRegression);
  EXPECT_TRUE(table->task().pairs);
  EXPECT_TRUE(table->task().labels.empty());
  EXPECT_THAT(texts(*table, Split::kTrain), ElementsAre("a man", "b", ""));
  EXPECT_THAT(second_texts(*table, Split::kTrain), ElementsAre("a person", "", "d"));
  EXPECT_THAT(values(*table, Split::kTrain), ElementsAre(5.0, 0.5, 10.0));
}

TEST(Table, ReadsSeveralLabelsARow) {
  const TempFolder folder;
  const std::string file = folder.write("x.csv", "text,label\na,sad|angry\nb,\nc,happy\nd, angry | sad|\n");
  const auto table = make_dataset({{"path", file}, {"task", "multi-label"}, {"label_separator", "|"}});
  EXPECT_EQ(table->task().kind, TaskKind::kMultiLabel);
  EXPECT_THAT(table->task().labels, ElementsAre("angry", "happy", "sad"));
  EXPECT_THAT(labels(*table, Split::kTrain), ElementsAre(0b101, 0, 0b010, 0b101));
}

TEST(Table, CutsValidationAndTestOutOfOneFile) {
  const TempFolder folder;
  std::string rows = "text,label\n";
  for (int i = 0; i < 100; ++i)
    rows += "text " + std::to_string(i) + "," + (i % 2 == 0 ? "a" : "b") + "\n";
  const std::string file = folder.write("x.csv", rows);
  const auto cut = [&](int64_t seed) {
    return make_dataset({{"path", file}, {"validation_share", 0.2}, {"test_share", 0.1}, {"split_seed", seed}});
  };
  const auto table = cut(1);
  EXPECT_EQ(table->size(Split::kTrain), 70u);
  EXPECT_EQ(table->size(Split::kValidation), 20u);
  EXPECT_EQ(table->size(Split::kTest), 10u);
  std::set<std::string> all;
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
    for (const std::string& text : texts(*table, split))
      all.insert(text);
  }
  EXPECT_EQ(all.size(), 100u);
  EXPECT_EQ(texts(*cut(1), Split::kTest), texts(*table, Split::kTest));
  EXPECT_NE(texts(*cut(2), Split::kTest), texts(*table, Split::kTest));
  EXPECT_EQ(dynamic_cast<const ExampleSource*>(table.get())->file_name(Split::kTest), "x.csv");
}

TEST(Table, ReadsRowsWithoutLabels) {
  const TempFolder folder;
  const std::string file = folder.write("new.csv", "id,text\n1,good\n2,\n,\n3,bad\n");
  const auto table = make_dataset({{"path", file}, {"label", ""}, {"labels", ConfigNode::Array{{"n"}, {"p"}}}});
  EXPECT_THAT(table->task().labels, ElementsAre("n", "p"));
  EXPECT_THAT(texts(*table, Split::kTrain), ElementsAre("good", "", "", "bad"));  // answers stand beside their rows
  EXPECT_THAT(labels(*table, Split::kTrain), ElementsAre(-1, -1, -1, -1));
  const std::string plain = folder.write("new.tsv", "good\nbad\n");
  const auto by_number = make_dataset({{"path", plain}, {"text", "1"}, {"label", ""}, {"task", "regression"}});
  EXPECT_THAT(texts(*by_number, Split::kTrain), ElementsAre("good", "bad"));
  EXPECT_TRUE(std::isnan(by_number->at(Split::kTrain, 1).value));
  const std::string lines = folder.write("new.jsonl", "{\"text\": \"good\"}\n{\"text\": null}\n");
  EXPECT_THAT(texts(*make_dataset({{"path", lines}, {"label", ""}}), Split::kTrain), ElementsAre("good", ""));
}

TEST(Table, ReadsTheKoreanSentencePairs) {
  PLUGTUNE_TEST_DATA_OR_SKIP(folder);
  const auto sts = make_dataset({{"path", folder + "/kornlu"},
                                 {"train", "sts-train.tsv"},
                                 {"validation", "sts-dev.tsv"},
                                 {"test", "sts-test.tsv"},
                                 {"text", "sentence1"},
                                 {"text_pair", "sentence2"},
                                 {"label", "score"},
                                 {"task", "regression"}});
  EXPECT_EQ(sts->size(Split::kTrain), 5749u);
  EXPECT_EQ(sts->at(Split::kTrain, 0).text_b, "비행기가 이륙하고 있다.");
  const auto nli = make_dataset({{"path", folder + "/kornlu/xnli.dev.ko.tsv"},
                                 {"text", "sentence1"},
                                 {"text_pair", "sentence2"},
                                 {"label", "gold_label"}});
  EXPECT_THAT(nli->task().labels, ElementsAre("contradiction", "entailment", "neutral"));
  EXPECT_EQ(nli->size(Split::kTrain), 2490u);
}

}  // namespace
}  // namespace plugtune::testing
