// broken_test.cc - every plugin of broken/ gets exactly the message that tells its fault.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "plugin/check.h"
#include "plugin/loader.h"
#include "plugin/stamp.h"

namespace plugtune::plugin {
namespace {

std::string broken_file(const std::string& file) { return PLUGTUNE_BINARY_DIR "/tests/broken/" + file; }

std::string replaced(std::string text, const std::string& mark, const std::string& value) {
  for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + value.size()))
    text.replace(at, mark.size(), value);
  return text;
}

/// {file}, {host.<field>} and {rebuild} stand for what differs from machine to machine.
std::string filled_in(std::string text, const std::string& path) {
  text = replaced(text, "{file}", path);
  for (const auto& [name, value] : host_stamp().fields)
    text = replaced(text, "{host." + name + "}", value);
  const std::string stem = std::filesystem::path(path).filename().string();
  return replaced(text, "{rebuild}",
                  rebuild_command(std::filesystem::path(path).parent_path().string(), stem.substr(0, stem.find('.'))));
}

// --- files that are not loaded -------------------------------------------------------------------------------------------

struct Refused {
  std::string file, message;
};

const std::vector<Refused>& refused() {
  static const std::vector<Refused> kAll = {
      {"not-there", "{file}: not found"},
      {"empty-file", "{file}: must be a shared library, but is empty"},
      {"text-file", "{file}: must be a shared library, but begins with \"#!/bin/sh\""},
      {"binary-file", "{file}: must be a shared library, but begins with the bytes 01 02 03 04"},
      {"truncated-at-once", "{file}: is cut off after 40 bytes; build it or copy it again"},
      {"truncated",
       "{file}: is cut off: its headers speak of {size} bytes but the file has {half}; build it or copy it again"},
      {"other-machine", "{file}: must be a library for x86-64, but is for riscv"},
      {"object-file", "{file}: must be a shared library, but is an object file"},
      {"no-stamp",
       "{file}: has no plugtune stamp, so it is not a plugin; a plugin's source has PLUGTUNE_STRATEGY(...) or "
       "PLUGTUNE_DATASET(...) and is built with plugtune_add_plugin()"},
      {"newer-stamp-format",
       "{file}: has a stamp of format 2, this plugtune reads up to 1; use a newer plugtune, or rebuild the plugin "
       "against this "
       "one"},
      {"other-torch",
       "{file}: was not built for this plugtune:\n"
       "  torch         plugin 2.10.0, plugtune {host.torch}\n"
       "rebuild it with: {rebuild}"},
      {"other-sdk-major",
       "{file}: was not built for this plugtune:\n"
       "  sdk           plugin 2.0, plugtune 1.0 (another major version)\n"
       "rebuild it with: {rebuild}"},
      {"newer-sdk-minor",
       "{file}: was not built for this plugtune:\n"
       "  sdk           plugin 1.9, plugtune 1.0 (plugtune is older than the plugin)\n"
       "rebuild it with: {rebuild}"},
      {"other-compiler",
       "{file}: was not built for this plugtune:\n"
       "  compiler      plugin gcc99, plugtune {host.compiler}\n"
       "rebuild it with: {rebuild}"},
      {"other-cxx11-abi",
       "{file}: was not built for this plugtune:\n"
       "  cxx11_abi     plugin 0, plugtune 1\n"
       "rebuild it with: {rebuild}"},
      {"no-debug-field",
       "{file}: was not built for this plugtune:\n"
       "  debug         plugin (does not say), plugtune 0\n"
       "rebuild it with: {rebuild}"},
      {"unresolved", "{file}: does not load: undefined symbol: elsewhere::temperature(int)"},
      {"no-symbol",
       "{file}: has no symbol 'plugtune_plugin'; put PLUGTUNE_STRATEGY(...) or PLUGTUNE_DATASET(...) at the end of its "
       "source"},
      {"wrong-name",
       "{file}: is named 'right-name' inside; its name must be 'wrong-name', as the file's (wrong-name.strategy.so)"},
      {"empty-name", "{file}: has no name\n{file}: has no version\n{file}: has an item without a name"},
      {"old-descriptor", "{file}: its descriptor must have 40 bytes, got 8; use PLUGTUNE_STRATEGY or PLUGTUNE_DATASET"},
      {"no-items", "{file}: brings nothing: it has no items"},
      {"two-items",
       "{file}: 'two-items' must be a strategy or a dataset, but is neither\n"
       "{file}: has two items named 'two-items'; names must be unique"},
  };
  return kAll;
}

class RefusedFile : public testing::TestWithParam<Refused> {};

TEST_P(RefusedFile, IsRefusedWithItsReason) {
  const std::string path = broken_file(GetParam().file + ".strategy.so");
  std::string expected = filled_in(GetParam().message, path);
  if (GetParam().file.starts_with("truncated")) {
    // Sizes follow the compiler: only that two are named can be known.
    expected = std::regex_replace(expected, std::regex("[.()]"), "\\$&");
    expected = replaced(replaced(expected, "{size}", "[0-9,]+"), "{half}", "[0-9,]+");
  }
  try {
    load_file(path);
    FAIL() << path << " was loaded";
  } catch (const Error& error) {
    if (GetParam().file.starts_with("truncated")) {
      EXPECT_TRUE(std::regex_match(error.what(), std::regex(expected))) << error.what();
    } else {
      EXPECT_EQ(error.what(), expected);
    }
  }
}

std::string test_name(const std::string& text) { return std::regex_replace(text, std::regex("[^A-Za-z0-9]"), "_"); }

INSTANTIATE_TEST_SUITE_P(Broken, RefusedFile, testing::ValuesIn(refused()),
                         [](const auto& info) { return test_name(info.param.file); });

TEST(RefusedFile, EveryDifferingFieldIsToldAtOnce) {
  const std::string path = broken_file("other-everything.strategy.so");
  std::string torch = host_stamp().field("torch"), size = host_stamp().field("sizeof.Module");
  torch[0] = size[0] = '9';
  try {
    load_file(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), filled_in("{file}: was not built for this plugtune:\n"
                                      "  torch         plugin " +
                                          torch +
                                          ", plugtune {host.torch}\n"
                                          "  compiler      plugin gcc99, plugtune {host.compiler}\n"
                                          "  sizeof.Module plugin " +
                                          size +
                                          ", plugtune {host.sizeof.Module}\n"
                                          "rebuild it with: {rebuild}",
                                      path));
  }
}

TEST(RefusedFile, AnotherSanitizerIsAnotherLibrary) {
  const std::string path = broken_file("other-sanitizer.strategy.so");
  const std::string theirs = host_stamp().field("sanitizer") == "none" ? "leak" : "threads";
  try {
    load_file(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), filled_in("{file}: was not built for this plugtune:\n"
                                      "  sanitizer     plugin " +
                                          theirs +
                                          ", plugtune {host.sanitizer}\n"
                                          "rebuild it with: {rebuild}",
                                      path));
  }
}

TEST(RefusedFile, AStrategyInADatasetsFileIsSentToTheRightName) {
  const std::string path = broken_file("wrong-kind.dataset.so");
  try {
    load_file(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(),
              path + ": its name says dataset but 'wrong-kind' is a strategy; call it wrong-kind.strategy.so");
  }
}

// --- plugins that load, and fail a test of `plugtune check` ----------------------------------------------------------------

struct Caught {
  std::string plugin, test;
  CheckStatus status;
  std::string message;  ///< with "~" in front: a regular expression, where numbers or compilers decide
};

CheckOptions options_for(const Caught& caught) {
  CheckOptions options;
  options.only = {caught.test};
  options.timeout_seconds = caught.plugin == "loops" ? 2 : 60;
  options.child_command = {PLUGTUNE_BINARY_DIR "/tests/check_main", broken_file(caught.plugin + ".strategy.so")};
  return options;
}

const std::vector<Caught>& caught_by_check() {
  using enum CheckStatus;
  static const std::vector<Caught> kAll = {
      {"slow-loading", "load", kWarn,
       "~[0-9]+ ms, should be below 200 ms; do less in constructors of global variables"},
      {"throws-loading", "load", kCrash,
       "ended the process with exit code 2: {file}: does not load: a constructor of its global variables failed: "
       "table.bin is "
       "missing"},
      {"shows-symbols", "exports", kFail,
       "~must show plugtune_\\* only, but shows [0-9]+ symbols? more: .*; build it with plugtune_add_plugin\\(\\)"},
      {"throws-constructing", "defaults", kFail,
       "in strategy 'throws-constructing' 1.0.0 ({file}), constructor: no such rank"},
      {"throws-number", "defaults", kFail,
       "in strategy 'throws-number' 1.0.0 ({file}), constructor: threw something that is not a std::exception (of type "
       "int)"},
      {"makes-nothing", "defaults", kFail, "in strategy 'makes-nothing' 1.0.0 ({file}), constructor: returned nothing"},
      {"accepts-unknown-keys", "unknown-key", kFail,
       "accepts unknown keys; its constructor must end with config.reject_unknown()"},
      {"forgets-defaults", "defaults", kFail,
       "refuses its own settings with every default filled in, as a run keeps them: strategy.rank: must be between 1 "
       "and 64, "
       "got 0"},
      {"throws-applying", "forward", kFail,
       "in strategy 'throws-applying' 1.0.0 ({file}), apply(): no layer was chosen"},
      {"wrong-target", "forward", kFail,
       "strategy.targets: no linear layer has role 'querry'; did you mean 'query'? roles: query, key, value, "
       "attention_output, "
       "ffn_up, ffn_down, pooler, classifier"},
      {"throws-forward", "forward", kFail,
       "in strategy 'throws-forward' 1.0.0 ({file}), forward(): encoder.layer.0.attention.self.query.scale: not "
       "implemented"},
      {"wrong-shape", "forward", kFail,
       "encoder.layer.0.attention.self.query: its patches return shape (8, 33), must be (8, 32)"},
      {"throws-backward", "gradients", kFail,
       "in strategy 'throws-backward' 1.0.0 ({file}), backward(): gradient is not known"},
      {"changes-base", "base-untouched", kFail,
       "apply() changes the base parameter 'encoder.layer.1.attention.self.query.weight'; keep what differs in a "
       "patch"},
      {"trains-base", "base-untouched", kFail,
       "apply() lets the base parameter 'encoder.layer.0.attention.self.key.bias' train without asking; use "
       "model.train_base()"},
      {"trains-base-later", "gradients", kFail,
       "'encoder.layer.0.attention.self.query.weight' is frozen, but gets a gradient"},
      {"shares-parameters", "two-models", kFail,
       "two models share the memory of 'encoder.layer.0.attention.self.query.scale.scale'; make parameters in apply(), "
       "not in a "
       "variable that all share"},
      {"not-identity", "identity", kFail,
       "~apply\\(\\) changes the logits by [0-9.e-]+; start where the model was, or declare "
       "PLUGTUNE_FLAG_NOT_IDENTITY"},
      {"no-gradient", "gradients", kFail,
       "no gradient within 2 steps for 'encoder.layer.0.attention.self.query.scale.shift', "
       "'encoder.layer.0.attention.self.value.scale.shift', 'encoder.layer.1.attention.self.query.scale.shift' and 1 "
       "more; is "
       "it used in forward(), and not detached?"},
      {"climbs", "loss-falls", kFail, "~20 steps of training do not make the loss smaller: [0-9.]+ -> [0-9.]+"},
      {"random-start", "same-seed", kFail,
       "after apply(), 'encoder.layer.0.attention.self.query.scale.scale' differs between two runs of the same seed; "
       "draw from "
       "torch's generator only"},
      {"random-steps", "same-seed", kFail, "~after 3 steps, '.*' differs between two runs of the same seed"},
      {"unregistered", "save-load", kFail,
       "a loaded delta gives another output; register what training changes with register_parameter() or "
       "register_buffer()"},
      {"accepts-any-state", "bad-state", kFail, "load_state() accepts an empty state"},
      {"wrong-fold", "fold", kFail,
       "~encoder.layer.0.attention.self.query: the folded weights compute something else, off by [0-9.e-]+; at most "
       "1e-05 is "
       "allowed"},
      {"mixes-rows", "packed", kFail,
       "~sequence 1 of 8 \\(9 tokens\\) is off by [0-9.e-]+ from what it is alone; a patch mixes rows of different "
       "sequences, or "
       "keeps something from batch to batch"},
      {"not-row-wise", "packed", kFail,
       "~with first rows only the logits are off by [0-9.e-]+; a patch whose row_wise\\(\\) is true uses other rows"},
      {"wrong-type", "types", kFail,
       "encoder.layer.0.attention.self.query: its patches return Float for Double; a patch computes in the type of its "
       "input"},
      {"wrong-backward", "finite-differences", kFail,
       "~'encoder.layer.[01].attention.self.(query|value).scale.scale' at [0-9]+: backward\\(\\) gives [0-9.e-]+, but "
       "small "
       "changes change the loss by [0-9.e-]+ times as much"},
      {"rounds", "finite-differences", kSkip, "the loss is not smooth: it has kinks or steps wherever it was tried"},
      {"random-steps", "finite-differences", kSkip,
       "the loss is another each time, with the same random numbers of torch"},
      {"always-drops-out", "modes", kFail,
       "draws random numbers in evaluation mode; drop out only while is_training()"},
      {"wrong-report", "report", kFail,
       "in strategy 'wrong-report' 1.0.0 ({file}), report_end(): the values of table 'scales' must have shape (1, 2), "
       "as its "
       "rows and columns, got (5, 5)"},
      {"wrong-rule", "loss-falls", kFail,
       "in strategy 'wrong-rule' 1.0.0 ({file}), rule() of 'encoder.layer.0.attention.self.query.scale.scale': "
       "learning_rate_scale must be a finite number from 0 on, got nan"},
      {"exits", "forward", kCrash, "ended the process with exit code 0"},
      {"segfaults", "forward", kCrash,
       "~died of SIGSEGV \\(Segmentation fault\\).*|ended the process with exit code 1.*"},
      {"aborts", "forward", kCrash, "~died of SIGABRT \\(Aborted\\): .*gave up"},
      {"dies-at-exit", "defaults", kCrash, "was done, but then died of SIGABRT (Aborted)"},
      {"loops", "forward", kCrash, "ran longer than 2 s"},
  };
  return kAll;
}

class CaughtByCheck : public testing::TestWithParam<Caught> {};

TEST_P(CaughtByCheck, WithItsReason) {
  const Caught& caught = GetParam();
  const std::string path = broken_file(caught.plugin + ".strategy.so");
  const auto run = caught.status == CheckStatus::kCrash ? run_checks : run_checks_in_process;
  const std::vector<CheckResult> results = run(path, options_for(caught), {});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_STREQ(status_name(results[0].status), status_name(caught.status)) << results[0].message;
  const std::string expected = filled_in(caught.message, path);
  if (expected.starts_with("~")) {
    EXPECT_TRUE(std::regex_match(results[0].message, std::regex(expected.substr(1)))) << results[0].message;
  } else {
    EXPECT_EQ(results[0].message, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Broken, CaughtByCheck, testing::ValuesIn(caught_by_check()),
                         [](const auto& info) { return test_name(info.param.plugin + "_" + info.param.test); });

// --- datasets --------------------------------------------------------------------------------------------------------------

struct Faulty {
  std::string fault, test, message;
};

class FaultyDataset : public testing::TestWithParam<Faulty> {};

TEST_P(FaultyDataset, IsCaughtWithItsReason) {
  const std::string path = broken_file("faulty-data.dataset.so");
  CheckOptions options;
  options.only = {GetParam().test};
  options.settings.set("path", {std::string("anywhere")});
  options.settings.set("fault", {GetParam().fault});
  const std::vector<CheckResult> results = run_checks_in_process(path, options, {});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].message, filled_in(GetParam().message, path));
  EXPECT_EQ(results[0].status, CheckStatus::kFail);
}

INSTANTIATE_TEST_SUITE_P(
    Broken, FaultyDataset,
    testing::Values(
        Faulty{"accepts-unknown-keys", "unknown-key",
               "accepts unknown keys; its constructor must end with config.reject_unknown()"},
        Faulty{"", "missing-file", "accepts a path where nothing is"},
        Faulty{"throws-opening", "open", "in dataset 'faulty-data' 1.0.0 ({file}), constructor: line 3 has no label"},
        Faulty{"empty", "open", "has no examples in any split"},
        Faulty{"no-training", "open", "has 2 validation, 2 test, but no training example: nothing can be trained"},
        Faulty{"one-label", "task", "a task of this kind must have 2 or more labels, has 1"},
        Faulty{"same-labels", "task", "has two labels named 'good'"},
        Faulty{"label", "examples", "train example 17: has label 2, must be 0 to 1"},
        Faulty{"encoding", "examples", "train example 17: its text is not UTF-8"},
        Faulty{"value", "examples", "train example 17: has the score 1e+300, which is no number that a float can hold"},
        Faulty{"blank", "examples", "no training example has a text: nothing can be trained"},
        Faulty{"pairs", "examples", "train example 17: has a second text, but the task says that there are no pairs"},
        Faulty{"no-file", "examples", "train examples: its file_name() is empty"},
        Faulty{"place", "examples",
               "train examples: its place is 'test.tsv:1', which is not in the split's file 'train.tsv'"},
        Faulty{"throws-reading", "examples", "in dataset 'faulty-data' 1.0.0 ({file}), at(): vector::at"},
        Faulty{"order", "same-order",
               "train example 17 differs when it is opened again, or read by several threads at once"}),
    [](const auto& info) { return test_name(info.param.test + "_" + info.param.fault); });

// --- the whole command -----------------------------------------------------------------------------------------------------

TEST(Check, ASoundPluginPassesEveryTest) {
  CheckOptions options;
  options.timeout_seconds = 120;
  options.child_command = {PLUGTUNE_BINARY_DIR "/tests/check_main", broken_file("sound.strategy.so")};
  const std::vector<CheckResult> results = run_checks(broken_file("sound.strategy.so"), options, {});
  EXPECT_EQ(results.size(), check_tests(Kind::kStrategy).size());
  for (const CheckResult& result : results) {
    // A slow machine may take longer than 200 ms to load; that is a warning by design.
    if (result.test == "load") continue;
    // It is no method that another library has, and has nothing to report.
    const bool has_none = result.test == "exchange" || result.test == "report";
    const CheckStatus expected = has_none                 ? CheckStatus::kSkip
                                 : result.test == "speed" ? CheckStatus::kNote
                                                          : CheckStatus::kPass;
    EXPECT_EQ(result.status, expected) << result.test << ": " << result.message;
  }
}

TEST(Check, SpeedIsToldBesideTheTwoEndsAndInNumbers) {
  CheckOptions options = options_for({"sound", "speed", CheckStatus::kNote, ""});
  for (const auto run : {run_checks, run_checks_in_process}) {
    const CheckResult result = run(broken_file("sound.strategy.so"), options, {}).at(0);
    EXPECT_EQ(result.status, CheckStatus::kNote) << result.message;
    ASSERT_EQ(result.numbers.size(), 3u);
    for (const auto& [name, ms] : result.numbers)
      EXPECT_GT(ms, 0) << name;
    EXPECT_TRUE(
        std::regex_match(result.message, std::regex("a training step takes [0-9.]+ ms; [0-9.]+ ms when everything "
                                                    "trains, [0-9.]+ ms for the head alone")))
        << result.message;
  }
}

TEST(Check, WhatThrowsWhileItIsMeasuredIsOtherTestsBusiness) {
  const CheckOptions options = options_for({"throws-backward", "speed", CheckStatus::kNote, ""});
  const std::string file = broken_file("throws-backward.strategy.so");
  const CheckResult result = run_checks_in_process(file, options, {}).at(0);
  EXPECT_EQ(result.status, CheckStatus::kNote);
  EXPECT_EQ(result.message,
            "not measured: in strategy 'throws-backward' 1.0.0 (" + file + "), backward(): gradient is not known");
}

TEST(Check, ASeedMakesAnotherModelAndStaysTheSame) {
  CheckOptions options = options_for({"sound", "loss-falls", CheckStatus::kPass, ""});
  const auto losses = [&](uint64_t seed) {
    options.seed = seed;
    return run_checks_in_process(broken_file("sound.strategy.so"), options, {}).at(0).message;
  };
  EXPECT_EQ(losses(3), losses(3));
  EXPECT_NE(losses(3), losses(0));
}

TEST(Check, EveryTestIsExplained) {
  for (const Kind kind : {Kind::kStrategy, Kind::kDataset}) {
    for (const CheckTest& test : check_tests(kind)) {
      for (const std::string& text : {test.what, test.why, test.repair})
        EXPECT_TRUE(text.ends_with('.')) << test.name << ": " << text;
    }
  }
}

TEST(Check, TestsThatNeedAFailedOneAreSkippedAndSayWhich) {
  CheckOptions options;
  const std::vector<CheckResult> results =
      run_checks_in_process(broken_file("throws-constructing.strategy.so"), options, {});
  for (const CheckResult& result : results) {
    if (result.test == "gradients" || result.test == "loss-falls" || result.test == "forward") {
      EXPECT_EQ(result.status, CheckStatus::kSkip);
      EXPECT_EQ(result.message, "needs 'defaults'");
    }
  }
}

TEST(Check, AnUnknownTestIsAnsweredWithTheNearestOne) {
  CheckOptions options;
  options.only = {"gradient"};
  try {
    run_checks_in_process(broken_file("sound.strategy.so"), options, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(
        std::string(error.what()),
        "--only: a strategy has no test 'gradient'; did you mean 'gradients'? tests: stamp, load, exports, descriptor, "
        "names, unknown-key, defaults, forward, base-untouched, two-models, identity, gradients, loss-falls, "
        "same-seed, "
        "save-load, bad-state, exchange, fold, packed, types, finite-differences, modes, report, speed");
  }
}

}  // namespace
}  // namespace plugtune::plugin
