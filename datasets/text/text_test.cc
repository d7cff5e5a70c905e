// text_test.cc - lines and documents, files and shares, every message, and the real corpus.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>
#include <thread>

#include "support/dataset_plugin.h"
#include "support/temp_folder.h"

namespace plugtune::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kSample = PLUGTUNE_SOURCE_DIR "/datasets/text/sample";

const ExampleSource& source_of(const Dataset& text) { return dynamic_cast<const ExampleSource&>(text); }

std::string numbered_lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += "line " + std::to_string(i) + "\n";
  return text;
}

TEST(TextData, TakesEveryLineForAnExampleAndPassesOverBlankOnes) {
  const TempFolder folder;
  folder.write("corpus.txt", "첫 번째 줄\n\n  둘째\t줄 \n \t　\nlast, without line break");
  const auto text = make_dataset({{"path", folder.path("corpus.txt")}});
  EXPECT_EQ(text->task().kind, TaskKind::kText);
  EXPECT_THAT(text->task().labels, IsEmpty());
  EXPECT_FALSE(text->task().pairs);
  EXPECT_THAT(texts(*text, Split::kTrain), ElementsAre("첫 번째 줄", "  둘째\t줄 ", "last, without line break"));
  EXPECT_EQ(text->size(Split::kValidation), 0u);
  EXPECT_EQ(text->size(Split::kTest), 0u);
}

TEST(TextData, SaysWhereAnExampleStandsAndHowManyLinesItLeftOut) {
  const TempFolder folder;
  folder.write("corpus.txt", "one\n\ntwo\nand\n\n\nthree\n");
  const std::string path = folder.path("corpus.txt");
  const auto lines = make_dataset({{"path", path}});
  EXPECT_EQ(source_of(*lines).place(Split::kTrain, 3), path + ":7");
  EXPECT_EQ(source_of(*lines).left_out(Split::kTrain), 3u);
  EXPECT_EQ(source_of(*lines).file_name(Split::kTrain), "corpus.txt");
  EXPECT_EQ(source_of(*lines).file_name(Split::kValidation), "");

  const auto documents = make_dataset({{"path", path}, {"unit", std::string("document")}});
  EXPECT_EQ(source_of(*documents).place(Split::kTrain, 1), path + ":3");
  EXPECT_EQ(source_of(*documents).left_out(Split::kTrain), 0u)
      << "a blank line ends a document, it is not an empty one";
}

TEST(TextData, KeepsTheLinesOfADocumentApart) {
  const TempFolder folder;
  folder.write("corpus.txt", "\n\n첫 문서의\n두 줄\n \n\none line\n\nthe\nlast\none");
  const auto text = make_dataset({{"path", folder.path("corpus.txt")}, {"unit", std::string("document")}});
  EXPECT_THAT(texts(*text, Split::kTrain), ElementsAre("첫 문서의\n두 줄", "one line", "the\nlast\none"));
}

TEST(TextData, AcceptsAByteOrderMarkAndCarriageReturns) {
  const TempFolder folder;
  folder.write("windows.txt", "\xEF\xBB\xBFone\r\ntwo\r\n\r\nthree\r\n");
  const std::string path = folder.path("windows.txt");
  EXPECT_THAT(texts(*make_dataset({{"path", path}}), Split::kTrain), ElementsAre("one", "two", "three"));
  EXPECT_THAT(texts(*make_dataset({{"path", path}, {"unit", std::string("document")}}), Split::kTrain),
              ElementsAre("one\ntwo", "three"));
}

TEST(TextData, FindsTheSplitsOfAFolderOfWhichOnlyTrainMustBeThere) {
  const TempFolder folder;
  folder.write("train.txt", "a\nb\n");
  const auto alone = make_dataset({{"path", folder.path()}});
  EXPECT_THAT(texts(*alone, Split::kTrain), ElementsAre("a", "b"));
  EXPECT_EQ(alone->size(Split::kValidation) + alone->size(Split::kTest), 0u);

  folder.write("validation.txt", "c\n\nd\n");
  folder.write("test.txt", "e\n");
  const auto all = make_dataset({{"path", folder.path()}});
  EXPECT_THAT(texts(*all, Split::kValidation), ElementsAre("c", "d"));
  EXPECT_THAT(texts(*all, Split::kTest), ElementsAre("e"));
  EXPECT_EQ(source_of(*all).left_out(Split::kValidation), 1u);
  EXPECT_EQ(source_of(*all).place(Split::kTest, 0), folder.path("test.txt") + ":1");
}

TEST(TextData, CutsTheSameSharesForTheSameSeedAndLosesNoLine) {
  const TempFolder folder;
  folder.write("corpus.txt", numbered_lines(200));
  const auto cut = [&](double validation, double test, int64_t seed) {
    return make_dataset({{"path", folder.path("corpus.txt")},
                         {"validation_share", validation},
                         {"test_share", test},
                         {"split_seed", seed}});
  };
  const auto text = cut(0.1, 0.2, 3);
  const std::vector<std::string> rest = texts(*text, Split::kTrain), validation = texts(*text, Split::kValidation),
                                 test = texts(*text, Split::kTest);
  EXPECT_EQ(validation.size(), 20u);
  EXPECT_EQ(test.size(), 40u);
  std::set<std::string> all(rest.begin(), rest.end());
  all.insert(validation.begin(), validation.end());
  all.insert(test.begin(), test.end());
  EXPECT_EQ(all.size(), 200u);
  for (const auto& part : {rest, validation, test}) {
    EXPECT_TRUE(std::is_sorted(part.begin(), part.end(), [](const auto& a, const auto& b) {
      return std::stoi(a.substr(5)) < std::stoi(b.substr(5));
    })) << "examples stay in the file's order: train_limit takes the first ones";
  }
  EXPECT_EQ(texts(*cut(0.1, 0.2, 3), Split::kTest), test);
  EXPECT_NE(texts(*cut(0.1, 0.2, 4), Split::kTest), test);
  EXPECT_EQ(source_of(*text).place(Split::kTest, 0),
            folder.path("corpus.txt") + ":" + std::to_string(std::stoi(test[0].substr(5)) + 1));
  EXPECT_EQ(source_of(*text).file_name(Split::kValidation), "corpus.txt");
}

// Another machine or a later plugtune must hold out the same lines. The four come out of splitmix64 written in Python:
// sorted(sorted(range(20), key=lambda i: mixed(mixed(0) ^ i))[:4]), mixed() as in random_parts.cc with 64 bits.
TEST(TextData, HoldsOutTheseLinesOnEveryMachine) {
  const TempFolder folder;
  folder.write("corpus.txt", numbered_lines(20));
  const auto text = make_dataset({{"path", folder.path("corpus.txt")}, {"validation_share", 0.2}});
  EXPECT_THAT(texts(*text, Split::kValidation), ElementsAre("line 1", "line 4", "line 5", "line 18"));
}

TEST(TextData, TakesASplitFromItsFileAndTheOtherFromAShare) {
  const TempFolder folder;
  folder.write("train.txt", numbered_lines(10));
  folder.write("test.txt", "e\n");
  const auto text = make_dataset({{"path", folder.path()}, {"validation_share", 0.2}});
  EXPECT_EQ(text->size(Split::kTrain), 8u);
  EXPECT_EQ(text->size(Split::kValidation), 2u);
  EXPECT_THAT(texts(*text, Split::kTest), ElementsAre("e"));
}

TEST(TextData, RefusesSharesOfSplitsThatHaveAFile) {
  const TempFolder folder;
  folder.write("train.txt", "a\nb\n");
  folder.write("validation.txt", "c\n");
  folder.write("test.txt", "d\n");
  EXPECT_EQ(dataset_error({{"path", folder.path()}, {"validation_share", 0.1}, {"test_share", 0.1}}),
            "data.validation_share: must be 0 when there is a validation file, " + folder.path("validation.txt") +
                "; move the file away to have a share of train.txt in its place (data.toml:3)\n"
                "data.test_share: must be 0 when there is a test file, " +
                folder.path("test.txt") +
                "; move the file away to have a share of train.txt in its place (data.toml:4)");
}

TEST(TextData, RefusesSharesThatLeaveNothingToTrainOn) {
  const TempFolder folder;
  folder.write("three.txt", "a\n\nb\nc\n");
  const std::string path = folder.path("three.txt");
  EXPECT_EQ(dataset_error({{"path", path}, {"validation_share", 0.9}}),
            "data: must leave examples to train on, but " + path +
                " has 3 lines with text and the shares take all of them; lower validation_share or test_share");
  EXPECT_EQ(dataset_error({{"path", path}, {"unit", std::string("document")}, {"test_share", 0.8}}),
            "data: must leave examples to train on, but " + path +
                " has 2 documents with text and the shares take all of them; lower validation_share or test_share");
  const std::string together =
      "must leave examples to train on: validation_share and test_share together must be less than 1";
  EXPECT_EQ(dataset_error({{"path", path}, {"validation_share", 0.5}, {"test_share", 0.5}}),
            "data.validation_share: " + together + " (data.toml:3)");
  EXPECT_EQ(dataset_error({{"path", path}, {"test_share", 1.0}}), "data.test_share: " + together + " (data.toml:3)");
}

TEST(TextData, RefusesSharesOfNoExample) {
  const TempFolder folder;
  folder.write("three.txt", "a\nb\nc\n");
  const std::string path = folder.path("three.txt");
  const std::string message =
      ": must be enough for an example, but " + path + " has 3 lines with text; raise it, or make it 0";
  EXPECT_EQ(dataset_error({{"path", path}, {"validation_share", 0.01}}), "data.validation_share" + message);
  EXPECT_EQ(dataset_error({{"path", path}, {"test_share", 0.01}, {"validation_share", 0.5}}),
            "data.test_share" + message);
}

TEST(TextData, NamesLineAndByteOfTextThatIsNotUtf8) {
  const TempFolder folder;
  folder.write("corpus.txt", "good\n\xC0\xE7\xB9\xCC\xC0\xD6\xB4\xD9\n");  // 재미있다 in CP949
  const std::string path = folder.path("corpus.txt");
  EXPECT_EQ(dataset_error({{"path", path}}), path + ": must be UTF-8, got byte 0xC0 at position 5 (" + path +
                                                 ":2); if it is cp949, convert it: iconv -f cp949 -t utf-8 " + path +
                                                 " > utf8.txt");
}

TEST(TextData, RefusesFilesWithoutText) {
  const TempFolder folder;
  for (const char* content : {"", "\n \r\n\t\n"}) {
    folder.write("empty.txt", content);
    EXPECT_EQ(dataset_error({{"path", folder.path("empty.txt")}}),
              folder.path("empty.txt") + ": must have rows, got an empty file");
  }
}

TEST(TextData, SaysWhatItWantsWhenThePathIsWrong) {
  const TempFolder folder;
  folder.write("corpus.txt", "a\n");
  EXPECT_EQ(dataset_error({{"path", folder.path()}}),
            "data.path: must be a folder with train.txt; " + folder.path() + " has: corpus.txt (data.toml:2)");
  EXPECT_EQ(dataset_error({{"path", folder.path("nowhere")}}),
            "data.path: must be a text file, or a folder with train.txt; " + folder.path("nowhere") +
                ": not found (data.toml:2)");
}

TEST(TextData, ReportsAllBadSettingsTogether) {
  EXPECT_EQ(dataset_error({{"units", std::string("line")},
                           {"unit", std::string("sentence")},
                           {"validation_share", 1.5},
                           {"test_share", -0.1}}),
            "data.path: is required (data.toml:1)\n"
            "data.unit: must be one of line, document, got \"sentence\" (data.toml:3)\n"
            "data.validation_share: must be between 0 and 1, got 1.5 (data.toml:4)\n"
            "data.test_share: must be between 0 and 1, got -0.1 (data.toml:5)\n"
            "data.units: unknown key; did you mean 'unit'? keys of dataset 'text': path, unit, validation_share, "
            "test_share, split_seed (data.toml:2)");
}

// The documents of nsmc's sample without their labels: the command is in the README.
TEST(TextData, HasASampleThatIsTheReviewsOfTheBundledOnes) {
  const auto text = make_dataset({{"path", kSample}});
  EXPECT_EQ(text->size(Split::kTrain), 750u);
  EXPECT_EQ(text->size(Split::kValidation), 100u);
  const auto reviews = [](const std::string& name, size_t count) {
    std::ifstream file(PLUGTUNE_SOURCE_DIR "/datasets/nsmc/sample/" + name);
    std::vector<std::string> all;
    std::string line, document;
    for (std::getline(file, line); all.size() < count && std::getline(file, line);) {
      std::istringstream columns(line);
      std::getline(std::getline(columns, document, '\t'), document, '\t');
      if (!document.empty()) all.push_back(document);
    }
    return all;
  };
  EXPECT_EQ(texts(*text, Split::kTrain), reviews("ratings_train.txt", 750));
  EXPECT_EQ(texts(*text, Split::kValidation), reviews("ratings_test.txt", 100));
}

TEST(TextData, ReadsTheRealCorpusByFourThreads) {
  PLUGTUNE_TEST_DATA_OR_SKIP(folder);
  const auto start = std::chrono::steady_clock::now();
  const auto text = make_dataset({{"path", folder + "/nsmc/corpus.txt"}, {"validation_share", 0.01}});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  RecordProperty("seconds_to_open", std::to_string(seconds.count()));
  EXPECT_LT(seconds.count(), 10) << "0.5 s on a busy processor of 2026";
  const size_t count = text->size(Split::kTrain);
  EXPECT_EQ(count + text->size(Split::kValidation) + source_of(*text).left_out(Split::kTrain), 642383u);

  constexpr size_t kThreads = 4;
  std::vector<size_t> bytes(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < count; i += kThreads)
        bytes[t] += text->at(Split::kTrain, i).text_a.size();
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  size_t alone = 0;
  for (size_t i = 0; i < count; ++i)
    alone += text->at(Split::kTrain, i).text_a.size();
  EXPECT_EQ(std::accumulate(bytes.begin(), bytes.end(), size_t{0}), alone);
}

}  // namespace
}  // namespace plugtune::testing
