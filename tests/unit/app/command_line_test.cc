// command_line_test.cc - what commands make of their arguments.
#include "app/command_line.h"

#include <gtest/gtest.h>

namespace plugtune::app {
namespace {

class CommandLines : public ::testing::Test {
 protected:
  CommandLines() {
    line_.positional("experiment.toml")
        .overrides()
        .plugin_path()
        .quiet()
        .choice("format", {"table", "csv"}, "how it is printed")
        .value("output", "DIR", "where to");
  }
  std::string mistake(const Arguments& arguments) {
    try {
      line_.parse(arguments);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  CommandLine line_{"train", "Trains.", {"plugtune train experiment.toml"}};
};

TEST_F(CommandLines, OptionsMayStandAnywhere) {
  ASSERT_TRUE(line_.parse({"--set", "a.b=1", "x.toml", "--set=c.d=2", "--quiet", "--output", "runs/a"}));
  EXPECT_EQ(line_.texts("experiment.toml"), Arguments{"x.toml"});
  EXPECT_EQ(line_.texts("set"), (Arguments{"a.b=1", "c.d=2"}));
  EXPECT_TRUE(line_.has("quiet"));
  EXPECT_EQ(line_.text("output"), "runs/a");
  EXPECT_EQ(line_.text("format"), "table");
  EXPECT_EQ(line_.texts("plugin-path"), Arguments{});
}

TEST_F(CommandLines, MistakesNameTheCommand) {
  EXPECT_EQ(mistake({}), "train: <experiment.toml> is missing; see plugtune train --help");
}
TEST_F(CommandLines, UnknownOptionsGetTheNearest) {
  EXPECT_EQ(mistake({"x.toml", "--ouptut", "a"}),
            "train: there is no option '--ouptut'; did you mean '--output'? see plugtune train --help");
}
TEST_F(CommandLines, SettingsThatAreNoOptionsAreShownTheirWay) {
  EXPECT_EQ(mistake({"x.toml", "--epochs", "3"}),
            "train: there is no option '--epochs'; settings are given as --set KEY=VALUE; see plugtune train --help");
}
TEST_F(CommandLines, OneExperimentIsEnough) {
  EXPECT_EQ(mistake({"x.toml", "y.toml"}), "train: takes one <experiment.toml>; see plugtune train --help");
}
TEST(SeveralArguments, AreTakenInTheirOrder) {
  CommandLine line("new", "Makes.", {"plugtune new strategy mine"});
  line.positional("kind").positional("name").optional_positional("directory").quiet();
  EXPECT_EQ(line.help().substr(0, line.help().find('\n')), "usage: plugtune new <kind> <name> [<directory>] [options]");
  ASSERT_TRUE(line.parse({"strategy", "--quiet", "mine"}));
  EXPECT_EQ(line.texts("kind"), Arguments{"strategy"});
  EXPECT_EQ(line.texts("name"), Arguments{"mine"});
  EXPECT_FALSE(line.has("directory"));
}
TEST(SeveralArguments, OneThatIsMissingAndOneTooMany) {
  for (const auto& [arguments, message] :
       {std::pair(Arguments{"strategy"}, "new: <name> is missing; see plugtune new --help"),
        std::pair(Arguments{"strategy", "a", "b", "c"},
                  "new: takes <kind> <name> [<directory>] and no more; see plugtune new --help")}) {
    CommandLine line("new", "Makes.", {"plugtune new strategy mine"});
    line.positional("kind").positional("name").optional_positional("directory");
    try {
      line.parse(arguments);
      FAIL();
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), message);
    }
  }
}

TEST_F(CommandLines, ChoicesAreListed) {
  EXPECT_EQ(mistake({"x.toml", "--format", "cvs"}),
            "--format: must be one of table, csv, got \"cvs\"; did you mean 'csv'?");
}

TEST_F(CommandLines, HelpShowsAnExample) {
  EXPECT_EQ(line_.help(),
            "usage: plugtune train <experiment.toml> [options]\n"
            "\n"
            "Trains.\n"
            "\n"
            "  --set KEY=VALUE              instead of what the experiment file says; may be repeated\n"
            "  --plugin-path DIR            look for plugins here first; may be repeated\n"
            "  --quiet                      show no progress\n"
            "  --format table|csv           how it is printed\n"
            "  --output DIR                 where to\n"
            "\n"
            "example:\n"
            "  plugtune train experiment.toml\n");
}

/// stdout, stderr and exit code of a whole command line.
std::tuple<std::string, std::string, int> outcome(const Arguments& arguments) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int code = run(arguments);
  const std::string errors = ::testing::internal::GetCapturedStderr();
  return {::testing::internal::GetCapturedStdout(), errors, code};
}

TEST(Program, UnknownCommandsGetTheNearest) {
  const auto [out, errors, code] = outcome({"comapre"});
  EXPECT_EQ(code, kUsersMistake);
  EXPECT_TRUE(errors.starts_with("plugtune: there is no command 'comapre'; did you mean 'compare'? commands: "))
      << errors;
}

TEST(Program, HelpWithACommandIsItsHelp) {
  const auto [out, errors, code] = outcome({"help", "train"});
  EXPECT_EQ(code, kDone);
  EXPECT_EQ(out, std::get<0>(outcome({"train", "--help"})));
  EXPECT_TRUE(std::get<0>(outcome({"help"})).starts_with("usage: plugtune <command>"));
  EXPECT_TRUE(std::get<1>(outcome({"help", "trian"}))
                  .starts_with("plugtune: there is no command 'trian'; did you mean 'train'?"));
}

TEST(Program, EveryCommandExplainsItselfWithAnExample) {
  for (const char* command :
       {"train", "eval", "predict", "merge", "compare", "config", "plugins", "new", "sites", "check"}) {
    const auto [out, errors, code] = outcome({command, "--help"});
    EXPECT_EQ(code, kDone);
    EXPECT_EQ(errors, "");
    EXPECT_TRUE(out.starts_with("usage: plugtune " + std::string(command))) << out;
    EXPECT_NE(out.find("\nexample"), std::string::npos) << out;
  }
}

TEST(Program, WithoutACommandItSaysWhichThereAre) {
  const auto [out, errors, code] = outcome({});
  EXPECT_EQ(code, kUsersMistake);
  EXPECT_TRUE(errors.starts_with("usage: plugtune <command> [arguments]\n")) << errors;
  EXPECT_EQ(std::get<2>(outcome({"--version"})), kDone);
}

TEST(Program, AnUnreadableExperimentEndsWithTwoAndOneMessage) {
  const auto [out, errors, code] = outcome({"config", "/nowhere/x.toml"});
  EXPECT_EQ(code, kUsersMistake);
  EXPECT_EQ(out, "");
  EXPECT_EQ(errors, "/nowhere/x.toml: not found\n");
}

}  // namespace
}  // namespace plugtune::app
