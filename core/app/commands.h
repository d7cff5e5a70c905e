#pragma once
// commands.h - the subcommands, one file each; what is common to them.

#include <string>
#include <vector>

namespace plugtune::app {

/// What the process ends with.
enum ExitCode : int {
  kDone = 0,
  kOurMistake = 1,
  kUsersMistake = 2,
  // Interrupted by a signal, after a checkpoint: 128 + signal, 130 or 143.
};

using Arguments = std::vector<std::string>;

// Each takes the arguments behind its name and returns an exit code. The user's mistakes leave as plugtune::Error.
int train_command(const Arguments& arguments);
int sweep_command(const Arguments& arguments);
int eval_command(const Arguments& arguments);
int predict_command(const Arguments& arguments);
int merge_command(const Arguments& arguments);
int unmerge_command(const Arguments& arguments);
int combine_command(const Arguments& arguments);
int import_command(const Arguments& arguments);
int inspect_command(const Arguments& arguments);
int export_command(const Arguments& arguments);
int compare_command(const Arguments& arguments);
int report_command(const Arguments& arguments);
int bench_command(const Arguments& arguments);
int plugins_command(const Arguments& arguments);
int check_command(const Arguments& arguments);
int new_command(const Arguments& arguments);
int sites_command(const Arguments& arguments);
int config_command(const Arguments& arguments);
int vocab_command(const Arguments& arguments);

/// Runs `plugtune <arguments>`: finds the command and turns what it throws into one message on stderr and an exit code.
int run(const Arguments& arguments);

}  // namespace plugtune::app
