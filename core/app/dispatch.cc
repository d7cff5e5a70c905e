// dispatch.cc - from the first word to a command, and from what it throws to an exit code.
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <iostream>
#include <new>

#include "app/commands.h"
#include "plugtune/error.h"
#include "report/run_report.h"
#include "train/interrupt.h"

namespace plugtune::app {

namespace {

struct Command {
  const char* name;
  int (*function)(const Arguments&);
  const char* meaning;
};

constexpr Command kCommands[] = {
    {"train", train_command, "an experiment, to a run directory"},
    {"sweep", sweep_command, "a study: methods, sizes, seeds and rates, compared"},
    {"eval", eval_command, "a finished run on a split"},
    {"predict", predict_command, "labels for lines of text, or words for their [MASK]s"},
    {"merge", merge_command, "a finished run as a plain Hugging Face directory"},
    {"unmerge", unmerge_command, "the base out of a directory that was merged with --reversible"},
    {"combine", combine_command, "several finished runs of one method as one run"},
    {"import", import_command, "another library's adapter or checkpoint, to a run directory"},
    {"export", export_command, "a finished run as another library's files"},
    {"inspect", inspect_command, "what a file or directory of weights is, and where it can go"},
    {"compare", compare_command, "several runs side by side"},
    {"report", report_command, "a finished run's page, written again"},
    {"bench", bench_command, "speed and memory of training, of an experiment or a strategy"},
    {"vocab", vocab_command, "the words of a text, and a model to pretrain on them"},
    {"config", config_command, "an experiment with every default filled in, checked"},
    {"plugins", plugins_command, "the strategies and data sets that are found"},
    {"new", new_command, "a strategy or a data set of your own, to start from"},
    {"sites", sites_command, "what of a model can be patched, and what a strategy patches"},
    {"check", check_command, "whether a plugin keeps to what plugtune relies on"},
};

std::string usage() {
  std::string out = "usage: plugtune <command> [arguments]\n\n";
  for (const Command& command : kCommands)
    out += fmt::format("  {:<10} {}\n", command.name, command.meaning);
  return out + "\nplugtune <command> --help explains one; plugtune --version shows what this is.\n";
}

std::string version() {
  return fmt::format("plugtune {} (SDK {}, libtorch {})\n", report::host_version(), report::sdk_version(),
                     report::torch_version());
}

int dispatch(const Arguments& arguments) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  if (name.empty()) {
    std::cerr << usage();
    return kUsersMistake;
  }
  if (name == "help" && arguments.size() == 2) return dispatch({arguments.back(), "--help"});
  if (name == "--help" || name == "-h" || name == "help") {
    std::cout << usage();
    return kDone;
  }
  if (name == "--version") {
    std::cout << version();
    return kDone;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (name == command.name) return command.function(Arguments(arguments.begin() + 1, arguments.end()));
    names.emplace_back(command.name);
  }
  const std::string hint = did_you_mean(name, names);
  throw Error(fmt::format("plugtune: there is no command '{}'{}commands: {}", name, hint.empty() ? "; " : hint + " ",
                          join(names)));
}

int our_mistake(const std::string& what) {
  std::cerr
      << "plugtune: internal error: " << what
      << "\nThis is a mistake of plugtune, not yours. Please report it with the command and the experiment file.\n";
  return kOurMistake;
}

}  // namespace

int run(const Arguments& arguments) {
  try {
    const int code = dispatch(arguments);
    if (!std::cout.flush())
      throw Error("standard output: cannot be written; the disk is full, or nobody reads any more");
    return code;
  } catch (const train::Interrupted& interrupted) {
    std::cerr << interrupted.what() << "\n";
    return 128 + interrupted.signal();
  } catch (const Error& error) {
    std::cout.flush();
    std::cerr << error.what() << "\n";
    return kUsersMistake;
  } catch (const c10::Error& error) {
    return our_mistake(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    std::cerr << "plugtune: out of memory; train.memory = \"4 GB\" keeps a training within a size\n";
    return kOurMistake;
  } catch (const std::exception& error) {
    return our_mistake(error.what());
  }
}

}  // namespace plugtune::app
