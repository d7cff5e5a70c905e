// table_mistakes_test.cc - what people meet with their first own data: every message, whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "plugtune/blocks/text_file.h"
#include "support/dataset_plugin.h"
#include "support/temp_folder.h"

namespace plugtune::testing {
namespace {

// The message for a file x.csv with these bytes and settings (path is data.toml:2); "FILE" stands for its path.
std::string message(std::string_view bytes, const Settings& more = {}, const std::string& name = "x.csv") {
  const TempFolder folder;
  const std::string file = folder.write(name, bytes);
  Settings settings = {{"path", file}};
  settings.insert(settings.end(), more.begin(), more.end());
  std::string text = dataset_error(settings);
  for (size_t at; (at = text.find(file)) != std::string::npos;)
    text.replace(at, file.size(), "FILE");
  return text;
}

TEST(TableMistakes, UnknownColumn) {
  EXPECT_EQ(message("id,review,label\n1,a,x\n", {{"text", "revew"}}),
            "data.text: no column 'revew' in FILE; did you mean 'review'? its first line has: id, review, label; "
            "without a header line give numbers: text = \"1\" (data.toml:3)");
  EXPECT_EQ(message("good film,1\n"),
            "data.text: no column 'text' in FILE; its first line has: good film, 1; "
            "without a header line give numbers: text = \"1\" (data.toml:1)\n"
            "data.label: no column 'label' in FILE; its first line has: good film, 1; "
            "without a header line give numbers: label = \"1\"; where there are none: label = \"\" (data.toml:1)");
  EXPECT_EQ(message("a,b\n1,2\n", {{"text", "1"}, {"label", "3"}}),
            "data.label: no column 3 in FILE, which has 2 (data.toml:4)");
  EXPECT_EQ(message("a,b\n1,2\n", {{"header", false}, {"text", "1"}}),
            "data.label: must be a column's number when header = false, 1 to 2, got 'label' (data.toml:1)");
}

TEST(TableMistakes, ColumnNameTwice) {
  EXPECT_EQ(message("text,label,text\na,b,c\n"),
            "data.text: two columns are called 'text' in FILE, 1 and 3; give the number: text = \"1\" (data.toml:1)");
}

TEST(TableMistakes, WrongNumberOfColumns) {
  EXPECT_EQ(message("text,label\ngood, really good,1\nbad,0\nbad\n"),
            "row: must have 2 columns as the first line has, got 3 (FILE:2); a text with ',' in it must be quoted: "
            "\"one, two\"\n"
            "row: must have 2 columns as the first line has, got 1 (FILE:4); a text with ',' in it must be quoted: "
            "\"one, two\"");
  EXPECT_EQ(
      message("text\tlabel\na\tb\t1\n", {}, "x.tsv"),
      "row: must have 2 columns as the first line has, got 3 (FILE:2); a text must not have '\\t' in it, or must be "
      "quoted: quote = '\"'");
}

TEST(TableMistakes, QuoteThatIsNeverClosed) {
  EXPECT_EQ(message("text,label\nfine,1\n\"oh no,0\nmore,1\n"),
            "column 1: must have a closing \" for the one here, got the end of the file (FILE:3); double a \" inside a "
            "text, or set quote = \"\" if it is a character like others");
  EXPECT_NE(message("text,label\n\"a\"\rb,0\n").find("column 1: must end after its closing \", got "),
            std::string::npos);
  EXPECT_EQ(
      message("text,label\n\"a\nb\"c,0\n"),
      "column 1: must end after its closing \", got 'c'; the cell begins in line 2 (FILE:3); double a \" inside a "
      "text, or set quote = \"\" if it is a character like others");
}

TEST(TableMistakes, LabelsThatAreNotThereOrNotKnown) {
  EXPECT_EQ(message("text,label\na,x\nb,y\nc,\n"),
            "label: must not be empty (FILE:4); fill it in, or take the row out");
  EXPECT_EQ(message("text,label\na,positive\nb,postive\n", {{"labels", ConfigNode::Array{{"negative"}, {"positive"}}}}),
            "label: must be in labels, negative, positive, got 'postive' (FILE:3); did you mean 'positive'?");
  EXPECT_EQ(message("text,label\na,x\nb,x\n"),
            "data.label: must have at least 2 different labels, column 'label' of FILE has only 'x' (data.toml:1)");
  std::string ids = "text,label\n";
  for (int i = 0; i < 30; ++i)
    ids += "t," + std::to_string(i) + "\n";
  EXPECT_EQ(message(ids),
            "data.label: must be a column of labels, column 'label' of FILE has 30 different values in 30 rows; for "
            "numbers set task = \"regression\", or list the names in labels (data.toml:1)");
}

TEST(TableMistakes, LabelOfTheTestFileThatTrainingDoesNotHave) {
  const TempFolder folder;
  folder.write("train.csv", "text,label\na,negative\nb,positive\n");
  folder.write("test.csv", "text,label\nc,positve\nd,mixed\n");
  const std::string test = folder.path("test.csv");
  EXPECT_EQ(dataset_error({{"path", folder.path()}}),
            "label: must be a label of the training file, negative, positive, got 'positve' (" + test +
                ":2); did you mean 'positive'?\n" +
                "label: must be a label of the training file, negative, positive, got 'mixed' (" + test + ":3)");
}

TEST(TableMistakes, TooManyLabelsARow) {
  std::string rows = "text,label\n";
  for (int i = 0; i < 64; ++i)
    rows += "t,name" + std::to_string(i) + "\n";
  EXPECT_EQ(message(rows, {{"task", "multi-label"}}),
            "label: must be at most 63 different ones for multi-label, got 'name63' as the 64th (FILE:65); is "
            "label_separator right? it is ','");
}

TEST(TableMistakes, NotANumber) {
  EXPECT_EQ(message("text;label\na;3,5\nb;high\nc;\nd;nan\ne;1e39\n", {{"task", "regression"}}),
            "label: must be a number, got '3,5' (FILE:2); write decimals with a point: 3.5\n"
            "label: must be a number, got 'high' (FILE:3)\n"
            "label: must be a number, got nothing (FILE:4)\n"
            "label: must be a number, got 'nan' (FILE:5)\n"
            "label: must be a number that a float can hold, got '1e39' (FILE:6)");
}

TEST(TableMistakes, FilesThatAreNoText) {
  EXPECT_EQ(message(""), "FILE: must have rows, got an empty file");
  EXPECT_EQ(message("\n \n"), "FILE: must have rows, got an empty file");
  EXPECT_EQ(message("text,label\n"), "FILE: must have rows, got only a first line");
  EXPECT_EQ(message("text,label\n,x\n\"\",y\n"),
            "FILE: must have rows to train on, got 2 without text and 0 kept for validation and test");
  EXPECT_EQ(
      message("text,label\rgood,1\rbad,0\r"),
      "FILE: must have lines that end in LF or CR LF, got CR alone; convert it: tr '\\r' '\\n' < FILE > lines.txt");
  EXPECT_EQ(message("\xFF\xFEt\0e\0", {}), "FILE: must be a text file, got UTF-16 text; save it as UTF-8");
  EXPECT_EQ(
      message("PK\x03\x04..."),
      "FILE: must be a text file, got a zip archive or an Excel workbook; unpack it, or save the sheet as CSV (UTF-8)");
  EXPECT_EQ(message("\x1F\x8B.."), "FILE: must be a text file, got packed with gzip; unpack it with gunzip");
  EXPECT_EQ(message("text,label\ncaf\xE9 noir,1\n"),
            "FILE: must be UTF-8, got byte 0xE9 at position 14 (FILE:2); if it is windows-1252, convert it: "
            "iconv -f windows-1252 -t utf-8 FILE > utf8.txt");
}

TEST(TableMistakes, FilesThatAreNotThere) {
  const TempFolder folder;
  const std::string here = folder.path();
  EXPECT_EQ(dataset_error({{"path", here}}),
            "data.path: must be a file, or a folder with train.csv, train.tsv or train.jsonl; " + here +
                " is empty; name the one to train on: train = \"...\" (data.toml:2)");
  folder.write("reviews.csv", "text,label\na,x\nb,y\n");
  EXPECT_EQ(dataset_error({{"path", here + "/review.csv"}}),
            "data.path: " + here + "/review.csv: not found; " + here + " has: reviews.csv (data.toml:2)");
  EXPECT_EQ(dataset_error({{"path", here}, {"train", "reviews.csv"}, {"test", "test.csv"}}),
            "data.test: " + here + "/test.csv: not found; " + here + " has: reviews.csv (data.toml:4)");
  std::filesystem::create_directory(folder.path("sub"));
  EXPECT_EQ(dataset_error({{"path", here}, {"train", "sub"}}),
            "data.train: must be a file, got the folder " + here + "/sub; " + here + "/sub is empty (data.toml:3)");
  folder.write("train.csv", "");
  folder.write("train.tsv", "");
  EXPECT_EQ(dataset_error({{"path", here}}), "data.path: " + here +
                                                 " has train.csv and train.tsv; say which is the one: train = "
                                                 "\"train.csv\" (data.toml:2)");
}

TEST(TableMistakes, SettingsThatContradictEachOther) {
  const TempFolder folder;
  const std::string file = folder.write("train.csv", "text,label\na,x\nb,y\n");
  folder.write("dev.csv", "text,label\na,x\nb,y\n");
  EXPECT_EQ(dataset_error({{"path", file}, {"train", "other.csv"}}),
            "data.train: must not be given when path is a file; make path the folder of both (data.toml:3)");
  EXPECT_EQ(dataset_error({{"path", folder.path()}, {"validation_share", 0.1}}),
            "data.validation_share: must be 0 when there is a validation file, " + folder.path("dev.csv") +
                "; validation = \"\" leaves the file out (data.toml:3)");
  EXPECT_EQ(
      dataset_error({{"path", file},
                     {"task", "regresion"},
                     {"delimiter", "::"},
                     {"quote", "''"},
                     {"test_share", 0.5},
                     {"validation_share", 0.5},
                     {"text_column", "x"}}),
      "data.delimiter: must be \"auto\" or one ASCII character, got \"::\" (data.toml:4)\n"
      "data.quote: must be \"auto\", \"\" (none) or one ASCII character, got \"''\" (data.toml:5)\n"
      "data.task: must be one of classification, multi-label, regression, got \"regresion\"; did you mean "
      "'regression'? (data.toml:3)\n"
      "data.validation_share: must leave examples to train on: together with test_share at most 0.9 (data.toml:7)\n"
      "data.text_column: unknown key; did you mean 'text'? keys of dataset 'table': path, train, validation, test, "
      "format, delimiter, "
      "quote, header, text, text_pair, label, task, labels, label_separator, validation_share, test_share, "
      "split_seed (data.toml:8)");
  EXPECT_EQ(dataset_error({{"path", file}, {"task", "regression"}, {"labels", ConfigNode::Array{{"a"}}}}),
            "data.labels: must not be given for a regression: its labels are numbers (data.toml:4)");
  EXPECT_EQ(dataset_error({{"path", file}, {"labels", ConfigNode::Array{{"a"}, {"a"}}}}),
            "data.labels: must be different from one another (data.toml:3)");
}

// Deletes, repeats or replaces a few bytes of a good file.
std::string damaged(std::string bytes, std::mt19937& random) {
  static constexpr std::string_view kTrouble = "\"\\,;\t\n\r{}[]:0-u\x80\xED ";
  for (unsigned count = 1 + random() % 4; count > 0 && !bytes.empty(); --count) {
    const size_t at = random() % bytes.size();
    switch (random() % 3) {
      case 0:
        bytes.erase(at, 1 + random() % 8);
        break;
      case 1:
        bytes.insert(at, bytes.substr(random() % bytes.size(), 1 + random() % 8));
        break;
      default:
        bytes[at] = kTrouble[random() % kTrouble.size()];
    }
  }
  return bytes;
}

TEST(TableMistakes, DamagedFilesAreReadOrRefusedWithAMessage) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"x.csv", "text,label\n\"good, \"\"really\"\"\",pos\nbad,neg\n\"two\nlines\",pos\nfine,neg\n"},
      {"x.tsv", "text\tlabel\ngood\tpos\nbad\tneg\nfine\tpos\n"},
      {"x.jsonl",
       "{\"text\": \"go\\u00e9d\\ud83d\\ude00\", \"label\": [\"a\", \"b\"]}\n{\"label\": \"c\", \"text\": "
       "\"x\\n\"}\n"}};
  const char* given = std::getenv("PLUGTUNE_TEST_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::stoul(given)) : 20250101;
  std::mt19937 random(seed);
  const TempFolder folder;
  for (int i = 0; i < 600; ++i) {
    const auto& [name, bytes] = files[static_cast<size_t>(i) % files.size()];
    const std::string path = folder.write(name, damaged(bytes, random));
    const Settings settings = {{"path", path}, {"task", name == "x.jsonl" ? "multi-label" : "classification"}};
    try {
      const auto table = make_dataset(settings);
      for (size_t k = 0; k < table->size(Split::kTrain); ++k)
        EXPECT_EQ(first_non_utf8(table->at(Split::kTrain, k).text_a), std::string::npos)
            << "seed " << seed << ", " << i;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()), "") << "seed " << seed << ", " << i;
    }
  }
}

}  // namespace
}  // namespace plugtune::testing
