#pragma once
// data_split.h - the split of a data set that a command line asks for.

#include "app/command_line.h"
#include "app/session.h"

namespace plugtune::app {

/// --data, --set data.KEY=VALUE and --split: data of a finished run's command.
void add_data_options(CommandLine& line, const std::string& meaning_of_data);

/// The split that --split names; without it what there is, the test split first, and the training examples only of data that
/// --data names. Notes on standard error what was not expected.
/// @param session  with its data opened
/// Throws Error where the split has no examples, and names those that there are.
Split chosen_split(const CommandLine& line, const Session& session);

}  // namespace plugtune::app
