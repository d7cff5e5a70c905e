// combine_test.cc - `plugtune combine`: runs as one run, heads, what is printed, and what does not go together.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "app/commands.h"
#include "exchange/support.h"
#include "experiment/delta_info.h"
#include "support/temp_folder.h"

namespace plugtune::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPlugins = PLUGTUNE_BINARY_DIR "/lib/plugtune";
constexpr const char* kLabels = "negative,neutral,positive";

class CombineCommand : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (fs::path(folder_.path()) / name).string(); }

  /// stdout where it ends well, else stderr.
  std::string said(Arguments arguments, int expected = kDone) {
    arguments.insert(arguments.end(), {"--plugin-path", kPlugins});
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run(arguments);
    const std::string errors = ::testing::internal::GetCapturedStderr();
    const std::string out = ::testing::internal::GetCapturedStdout();
    EXPECT_EQ(code, expected) << errors;
    return code == kDone ? out : errors;
  }

  /// A directory of tests/golden as a run.
  std::string imported(const std::string& directory, const Arguments& more = {}) {
    const std::string run = path("run" + std::to_string(++runs_));
    Arguments arguments = {"import", "tests/golden/" + directory, "--output", run};
    arguments.insert(arguments.end(), more.begin(), more.end());
    said(arguments);
    return run;
  }
  std::string member(const std::string& name) { return imported("lora_combine/" + name, {"--labels", kLabels}); }

  std::string combined(const std::vector<std::string>& runs, const Arguments& more) {
    const std::string output = path("combined" + std::to_string(++runs_));
    Arguments arguments = {"combine", "--output", output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), runs.begin(), runs.end());
    out_ = said(arguments);
    return output;
  }
  /// What the command says when it refuses. Nothing may have been written.
  std::string refusal(const std::vector<std::string>& runs, const Arguments& more = {}) {
    Arguments arguments = {"combine", "--output", path("refused")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), runs.begin(), runs.end());
    std::string text = said(arguments, kUsersMistake);
    EXPECT_FALSE(fs::exists(path("refused")));
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  static Tensor logits(const std::string& run) {
    Session session = open_run(run, testing::shipped_plugins());
    return testing::logits_of(session, testing::Golden("lora_combine"));
  }
  static formats::NamedTensors delta(const std::string& run) {
    return formats::SafetensorsFile::open(fs::path(run) / "delta" / "delta.safetensors").tensors();
  }

  testing::InRepository in_repository_;
  testing::TempFolder folder_;
  int runs_ = 0;
  std::string out_;  // of the last combined()
};

TEST_F(CombineCommand, GivesTheLogitsOfPeft) {
  const testing::Golden golden("lora_combine");
  const std::map<std::string, std::string> members = {{"a", member("a")}, {"b", member("b")}, {"c", member("c")}};
  for (const auto& [name, options] : golden.description().at("settings").items()) {
    std::vector<std::string> runs;
    for (const char member : options.at("members").get<std::string>())
      runs.push_back(members.at(std::string(1, member)));
    std::vector<std::string> weights;
    for (const double weight : options.at("weights"))
      weights.push_back(nlohmann::json(weight).dump());
    Arguments more = {"--method", options.at("method"), "--weights=" + join(weights, ","), "--head", runs.front()};
    for (const char* key : {"density", "rank", "seed"})
      if (options.contains(key)) more.push_back(fmt::format("--{}={}", key, options[key].dump()));
    if (options.contains("sign")) more.insert(more.end(), {"--sign", options["sign"].get<std::string>()});
    EXPECT_TRUE(testing::near(logits(combined(runs, more)), golden.at(name + "/logits"), 1e-6)) << name;
  }
}

TEST_F(CombineCommand, SaysWhatItMadeAndHowFarItIsFromTheSum) {
  const std::string a = member("a"), b = member("b");
  const std::string run = combined({a, b}, {"--rank", "3"});
  EXPECT_NE(out_.find("site                                  relative error\n"
                      "embeddings.word_embeddings "),
            std::string::npos)
      << out_;
  EXPECT_NE(out_.find("\nerror: at most "), std::string::npos) << out_;
  EXPECT_NE(out_.find("; of the summed update, in the Frobenius norm\n" + run + ": svd of 0.5 x " + a + " + 0.5 x " +
                      b + " on tests/golden/tiny, head: average\n"),
            std::string::npos)
      << out_;
  combined({a, b}, {"--method", "cat"});
  EXPECT_EQ(out_.find("error"), std::string::npos) << out_;
}

TEST_F(CombineCommand, MakesARunLikeAnyOther) {
  const std::string run = combined({member("a"), member("c")}, {"--method", "cat", "--weights", "0.7,0.3"});
  const Tensor expected = logits(run);
  said({"export", run, "--format", "peft", "--output", path("peft")});
  said({"import", path("peft"), "--output", path("again"), "--labels", kLabels});
  EXPECT_TRUE(torch::equal(logits(path("again")), expected));
  EXPECT_NE(said({"merge", run, "--output", path("merged")}).find("logits differ from the run's by at most"),
            std::string::npos);
  const std::string twice = combined({run, run}, {"--method", "svd"});
  EXPECT_TRUE(testing::near(logits(twice), expected, 1e-6));
  EXPECT_EQ(refusal({run, run, run}, {"--weights", "1,2"}),
            "combine: --weights must be 3 numbers, one for each run, got 2");
}

TEST_F(CombineCommand, AveragesHeadsWithWeightsOfSumOne) {
  const std::string first = imported("lora_gaussian/peft"), second = imported("lora_qv/peft");
  const std::string run = combined({first, second}, {"--method", "linear", "--weights", "3,1"});
  for (const char* key : {"classifier.weight", "classifier.bias"}) {
    const Tensor mean = 0.75 * delta(first).at(key) + 0.25 * delta(second).at(key);
    EXPECT_TRUE(testing::near(delta(run).at(key), mean, 1e-7)) << key;
  }
  const std::string kept = combined({first, second}, {"--method", "linear", "--weights=3,-1", "--head", second});
  EXPECT_TRUE(torch::equal(delta(kept).at("classifier.weight"), delta(second).at("classifier.weight")));
}

TEST_F(CombineCommand, HeadsThatCannotBeAveraged) {
  const std::string hint = "; name the run whose head is kept with --head RUN";
  const std::string first = imported("lora_gaussian/peft"), pooled = imported("lora_pooler/peft");
  const std::string other = imported("lora_gaussian/peft", {"--labels", "bad,good,none"});
  EXPECT_EQ(refusal({first, other}), "combine: " + first + " has labels LABEL_0, LABEL_1, LABEL_2, " + other +
                                         " has labels bad, good, none, so their heads cannot be averaged" + hint);
  EXPECT_EQ(refusal({first, pooled}), "combine: " + pooled + " trained the pooler and " + first +
                                          " did not, so their heads cannot be averaged" + hint);
  EXPECT_EQ(refusal({first, first}, {"--weights=1,-0.5"}),
            "combine: heads are averaged with the weights of the runs, and that of " + first + " is -0.5" + hint);
  EXPECT_EQ(refusal({first, first}, {"--weights", "0,0"}),
            "combine: heads are averaged with the weights of the runs, and all are 0" + hint);
  EXPECT_EQ(refusal({first, other}, {"--head", "runs/x"}),
            "combine: --head must be average or one of the runs (" + first + ", " + other + "), got 'runs/x'");

  const std::string kept = combined({first, other}, {"--head", other});
  EXPECT_EQ(experiment::read_delta_info(fs::path(kept) / "delta" / "delta.json").labels,
            (std::vector<std::string>{"bad", "good", "none"}));
  const std::string with_pooler = combined({first, pooled}, {"--head", pooled});
  EXPECT_TRUE(torch::equal(delta(with_pooler).at("pooler.dense.weight"), delta(pooled).at("pooler.dense.weight")));
  EXPECT_FALSE(delta(combined({first, pooled}, {"--head", first})).contains("pooler.dense.weight"));
}

TEST_F(CombineCommand, RunsOfOtherBasesAndMethods) {
  const std::string a = member("a");
  fs::copy("tests/golden/tiny", path("tiny"));
  const fs::path weights = fs::path(path("tiny")) / "model.safetensors";
  formats::NamedTensors tensors = formats::SafetensorsFile::open(weights).tensors();
  tensors.at("bert.encoder.layer.0.output.dense.bias") = tensors.at("bert.encoder.layer.0.output.dense.bias") + 1;
  formats::write_safetensors(path("changed.safetensors"), tensors);
  fs::rename(path("changed.safetensors"), weights);
  const std::string moved = imported("lora_combine/a", {"--labels", kLabels, "--model", path("tiny")});
  const auto fingerprint = [](const std::string& run) {
    return experiment::read_delta_info(fs::path(run) / "delta" / "delta.json").base_fingerprint.substr(0, 12);
  };
  EXPECT_EQ(refusal({a, moved}), "combine: the runs must have one base; " + a + " belongs to fingerprint " +
                                     fingerprint(a) + " (tests/golden/tiny), " + moved + " to " + fingerprint(moved) +
                                     " (" + path("tiny") + ")");

  const std::string bottleneck = imported("adapter_pfeiffer/adapterhub");
  EXPECT_EQ(refusal({a, bottleneck}), "combine: the runs must have one strategy; " + a + " was tuned with 'lora', " +
                                          bottleneck + " with 'adapter'");
  EXPECT_EQ(refusal({bottleneck, bottleneck}), "combine: runs of strategy 'adapter' cannot be combined");

  const fs::path info = fs::path(a) / "delta" / "delta.json";
  nlohmann::json json = nlohmann::json::parse(testing::read_bytes(info));
  json["strategies"].push_back(json["strategies"][0]);
  std::ofstream(info) << json.dump();
  EXPECT_EQ(refusal({a, moved}),
            "combine: " + a + " was tuned with 2 strategies (lora + lora); runs of one strategy can be combined");
}

TEST_F(CombineCommand, OptionsThatCannotBe) {
  const std::string a = member("a"), c = member("c");
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{"--weights", "0.5,x"}, "combine: --weights must be numbers between commas, such as 0.7,0.3, got '0.5,x'"},
      {{"--weights", "0.5,inf"}, "combine: --weights must be numbers between commas, such as 0.7,0.3, got '0.5,inf'"},
      {{"--density", "half"}, "combine: --density must be a number, such as 0.5, got 'half'"},
      {{"--method", "ties", "--density", "1.5"},
       "combine: --density must be above 0 and at most 1 (the part of the numbers that is kept), got 1.5"},
      {{"--rank", "0"}, "combine: --rank must be a whole number of at least 1, got '0'"},
      {{"--seed", "-1"}, "combine: --seed must be a whole number of at least 0, got '-1'"},
      {{"--method", "linear"},
       "combine: linear needs the same targets in every run, embeddings.word_embeddings is tuned in " + a +
           " and not in " + c + "; cat and svd take any"},
  };
  for (const auto& [more, text] : cases)
    EXPECT_EQ(refusal({a, c}, more), text);
  EXPECT_EQ(refusal({a}), "combine: needs two runs or more, got 1");
  EXPECT_EQ(said({"combine", a, c}, kUsersMistake), "combine: --output RUN is required: the run directory to make\n");
  EXPECT_EQ(said({"combine", a, c, "--output", c}, kUsersMistake),
            "combine: " + c + " exists already; choose another --output, or remove it\n");
  EXPECT_EQ(refusal({a, path("nothing")}).find(path("nothing") + ": "), 0u);
}

}  // namespace
}  // namespace plugtune::app
