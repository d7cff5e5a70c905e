// several_runs_test.cc - `predict` and `eval` of several runs on one base. The runs are imported goldens: nothing is trained.
#include "app/several_runs.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <tuple>

#include "app/commands.h"
#include "plugtune/error.h"
#include "support/temp_folder.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kPluginFolder = PLUGTUNE_BINARY_DIR "/lib/plugtune";
const std::string kGolden = PLUGTUNE_SOURCE_DIR "/tests/golden/";

class SeveralRunsTest : public ::testing::Test {
 protected:
  SeveralRunsTest() : before_(fs::current_path()) { fs::current_path(folder_.path()); }
  ~SeveralRunsTest() override { fs::current_path(before_); }

  /// stdout, stderr and exit code.
  static std::tuple<std::string, std::string, int> outcome(Arguments arguments) {
    arguments.insert(arguments.end(), {"--plugin-path", kPluginFolder});
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run(arguments);
    const std::string errors = ::testing::internal::GetCapturedStderr();
    return {::testing::internal::GetCapturedStdout(), errors, code};
  }
  static std::string printed(const Arguments& arguments) {
    const auto [out, errors, code] = outcome(arguments);
    EXPECT_EQ(code, kDone) << errors;
    return out;
  }
  static std::string refusal(const Arguments& arguments) {
    const auto [out, errors, code] = outcome(arguments);
    EXPECT_EQ(code, kUsersMistake);
    EXPECT_EQ(out, "");
    return errors;
  }
  static void import_run(const std::string& golden, const std::string& name, const std::string& labels = "bad,so,good",
                         const std::string& base = kGolden + "tiny") {
    printed({"import", kGolden + golden, "--model", base, "--labels", labels, "--output", name});
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);)
      all.push_back(line);
    return all;
  }
  const testing::TempFolder& folder() const { return folder_; }

 private:
  fs::path before_;
  testing::TempFolder folder_;
};

TEST_F(SeveralRunsTest, EachGivesTheColumnAndTheFieldThatItGivesAlone) {
  import_run("lora_qv/peft", "lora");
  import_run("adapter_pfeiffer/adapterhub", "adapter");
  folder().write("texts.txt", "a b c\n\nd e\n");
  const auto alone = [&](const std::string& run) {
    return lines(printed({"predict", run, "--input", "texts.txt", "--format", "jsonl"}));
  };
  const auto lora = alone("lora"), adapter = alone("adapter");
  const auto both = lines(printed({"predict", "lora", "adapter", "--input", "texts.txt", "--format", "jsonl"}));
  const auto columns = lines(printed({"predict", "lora", "adapter", "--input", "texts.txt"}));
  ASSERT_EQ(both.size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    const json answers = json::parse(both[i]);
    EXPECT_EQ(answers.at("lora"), json::parse(lora[i]));
    EXPECT_EQ(answers.at("adapter"), json::parse(adapter[i]));
    EXPECT_EQ(columns[i], json::parse(lora[i]).at("label").get<std::string>() + "\t" +
                              json::parse(adapter[i]).at("label").get<std::string>());
  }
}

TEST_F(SeveralRunsTest, Bf16AnswersAlmostTheSame) {
  import_run("lora_qv/peft", "lora");
  import_run("adapter_pfeiffer/adapterhub", "adapter");
  folder().write("texts.txt", "a b c\nd e\n");
  const auto answers = [&](const char* precision) {
    return lines(
        printed({"predict", "lora", "adapter", "--input", "texts.txt", "--format", "jsonl", "--precision", precision}));
  };
  const auto exact = answers("fp32"), rounded = answers("bf16");
  ASSERT_EQ(rounded.size(), 2U);
  EXPECT_NE(rounded, exact);
  for (size_t i = 0; i < 2; ++i) {
    for (const char* run : {"lora", "adapter"}) {
      const auto one = json::parse(exact[i]).at(run).at("logits"), other = json::parse(rounded[i]).at(run).at("logits");
      for (size_t k = 0; k < one.size(); ++k)
        EXPECT_NEAR(one[k].get<double>(), other[k].get<double>(), 5e-2) << run;
    }
  }
}

TEST_F(SeveralRunsTest, TheAverageIsTheMeanOfTheProbabilities) {
  import_run("lora_qv/peft", "lora");
  import_run("adapter_pfeiffer/adapterhub", "adapter");
  folder().write("texts.txt", "a b c\nd e\n");
  const auto each = lines(printed({"predict", "lora", "adapter", "--input", "texts.txt", "--format", "jsonl"}));
  const auto mean =
      lines(printed({"predict", "lora", "adapter", "--average", "--input", "texts.txt", "--format", "jsonl"}));
  ASSERT_EQ(mean.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    const json answers = json::parse(each[i]);
    for (size_t k = 0; k < 3; ++k) {
      const double expected =
          (answers["lora"]["probabilities"][k].get<double>() + answers["adapter"]["probabilities"][k].get<double>()) /
          2;
      EXPECT_NEAR(json::parse(mean[i])["probabilities"][k].get<double>(), expected, 1e-6);
    }
  }
}

TEST_F(SeveralRunsTest, EachLineGoesToTheRunThatItNames) {
  const std::vector<std::pair<std::string, std::string>> runs = {{"lora", "lora_qv/peft"},
                                                                 {"adapter", "adapter_pfeiffer/adapterhub"},
                                                                 {"prompt", "prompt_peft/peft"},
                                                                 {"ia3", "ia3_peft/peft"}};
  Arguments mixed = {"predict"};
  std::string by_line, texts;
  for (const auto& [name, golden] : runs) {
    import_run(golden, name);
    mixed.push_back(name);
  }
  std::vector<std::string> order;
  for (size_t i = 0; i < 11; ++i) {
    const std::string text = std::string("a b c d e f g h").substr(0, 1 + 2 * (i % 8));
    order.push_back(runs[i % 7 % runs.size()].first);
    by_line += order.back() + "\t" + text + "\n";
    texts += text + "\n";
  }
  folder().write("mixed.txt", by_line);
  folder().write("texts.txt", texts);
  mixed.insert(mixed.end(), {"--by-line", "--input", "mixed.txt", "--format", "jsonl"});
  const auto answers = lines(printed(mixed));
  ASSERT_EQ(answers.size(), order.size());
  for (const auto& [name, golden] : runs) {
    const auto alone = lines(printed({"predict", name, "--input", "texts.txt", "--format", "jsonl"}));
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] != name) continue;
      for (size_t k = 0; k < 3; ++k) {
        EXPECT_NEAR(json::parse(answers[i])["logits"][k].get<double>(),
                    json::parse(alone[i])["logits"][k].get<double>(), 1e-5)
            << name << ", line " << i;
      }
    }
  }
}

TEST_F(SeveralRunsTest, EvalHasARowForEachRunAndOneForTheirMean) {
  import_run("lora_qv/peft", "lora");
  import_run("adapter_pfeiffer/adapterhub", "adapter");
  std::string table = "text,label\n";
  for (int i = 0; i < 30; ++i)
    table += std::string(1, static_cast<char>('a' + i % 20)) + " b," +
             (i % 3 == 0   ? "bad"
              : i % 3 == 1 ? "good"
                           : "so") +
             "\n";
  folder().write("data.csv", table);
  // A table's labels are in the order of the alphabet.
  import_run("lora_qv/peft", "one", "bad,good,so");
  import_run("adapter_pfeiffer/adapterhub", "two", "bad,good,so");
  const json rows = json::parse(
      printed({"eval", "one", "two", "--average", "--json", "--data", "table:data.csv", "--split", "train"}));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0]["run"], "one");
  EXPECT_EQ(rows[2]["run"], "average");
  json alone = json::parse(printed({"eval", "two", "--json", "--data", "table:data.csv", "--split", "train"}));
  json second = rows[1];
  second.erase("run");
  EXPECT_EQ(second, alone);
  const auto text = lines(printed({"eval", "one", "two", "--data", "table:data.csv", "--split", "train"}));
  ASSERT_EQ(text.size(), 3U);
  EXPECT_TRUE(text[0].starts_with("run  ")) << text[0];
  EXPECT_TRUE(text[2].starts_with("two  ")) << text[2];
}

TEST_F(SeveralRunsTest, RunsOfAnotherBaseOrOtherLabelsAreRefused) {
  import_run("lora_qv/peft", "lora");
  import_run("lora_qv/peft", "other", "x,y,z");
  EXPECT_EQ(
      refusal({"predict", "lora", "other"}),
      "other: answers classification (x, y, z), lora answers classification (bad, so, good); only runs with the same "
      "labels can be used together\n");
  EXPECT_EQ(refusal({"predict", "lora", "lora"}), "lora: is named twice\n");
  EXPECT_EQ(refusal({"predict", "lora", "--average", "--by-line"}),
            "predict: --average and --by-line exclude each other: a line has either all runs or its own\n");
  printed({"export", "lora", "--format", "hf", "--output", "merged"});
  import_run("lora_qv/peft", "elsewhere", "bad,so,good", "merged");
  const SeveralRuns one = open_runs({"lora"}, plugin::SearchPath::of_process({kPluginFolder}));
  const SeveralRuns two = open_runs({"elsewhere"}, plugin::SearchPath::of_process({kPluginFolder}));
  EXPECT_EQ(refusal({"predict", "lora", "elsewhere"}),
            "elsewhere: was trained on another base than lora: merged with fingerprint " +
                two.sessions.front().opened.fingerprint.substr(0, 12) + ", not " + kGolden + "tiny with " +
                one.sessions.front().opened.fingerprint.substr(0, 12) +
                "; only runs of one base can be used together\n");
}

TEST_F(SeveralRunsTest, LinesMustNameARun) {
  import_run("lora_qv/peft", "lora");
  folder().write("a.txt", "lora\ta\nno tab\n");
  EXPECT_EQ(refusal({"predict", "lora", "--by-line", "--input", "a.txt"}),
            "a.txt:2: must start with a run and a tab, got 'no tab'; runs: lora\n");
  folder().write("b.txt", "lroa\ta\n");
  EXPECT_EQ(refusal({"predict", "lora", "--by-line", "--input", "b.txt"}),
            "b.txt:1: starts with 'lroa', which is none of the runs lora; did you mean 'lora'?\n");
}

TEST_F(SeveralRunsTest, ARunThatTrainedTheBaseIsSwitchedToButSharesNoBatch) {
  import_run("lora_qv/peft", "lora");
  import_run("lora_bias_all/peft", "biased");
  folder().write("texts.txt", "a b\nc\n");
  const auto each = lines(printed({"predict", "biased", "lora", "--input", "texts.txt", "--format", "jsonl"}));
  const auto alone = lines(printed({"predict", "lora", "--input", "texts.txt", "--format", "jsonl"}));
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(json::parse(each[i])["lora"], json::parse(alone[i]));
  EXPECT_EQ(refusal({"predict", "lora", "biased", "--by-line", "--input", "texts.txt"}),
            "biased: trained weights of the base itself (embeddings.LayerNorm.bias, "
            "encoder.layer.{0-1}.attention.output.LayerNorm."
            "bias, encoder.layer.{0-1}.attention.output.dense.bias, ...), which rows of other runs cannot pass "
            "through; leave it "
            "out, or predict without --by-line\n");
}

}  // namespace
}  // namespace plugtune::app
