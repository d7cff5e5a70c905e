#pragma once
// write_run.h - a run that nobody trained here: imported, or combined from others.

#include <filesystem>

#include "app/session.h"

namespace plugtune::app {

/// Throws Error "<command>: RUN exists already; ..." unless `run` is free.
void check_new_run(const std::string& command, const std::filesystem::path& run);

/// The session's delta as a finished run, with a report that has no epochs.
void write_finished_run(Session& session, const std::filesystem::path& run);

}  // namespace plugtune::app
