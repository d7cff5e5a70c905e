#pragma once
// merging.h - a run's delta folded into the weights, shared by `merge` and `export --format hf`.

#include <filesystem>
#include <string>

#include "app/session.h"

namespace plugtune::app {

/// Throws Error "<command>: DIR exists already; ..." unless `output` is free.
void check_output(const std::string& command, const std::filesystem::path& output);

/// Folds every patch (in float64), writes a plain Hugging Face directory, prints how far the logits moved on a sample.
void write_merged(Session& session, const std::filesystem::path& output);

}  // namespace plugtune::app
