#pragma once
// merging.h - a run's delta folded into the weights, shared by `merge` and `export --format hf`.

#include <filesystem>
#include <string>

#include "app/session.h"

namespace plugtune::app {

/// Throws Error "<command>: DIR exists already; ..." unless `output` is free.
void check_output(const std::string& command, const std::filesystem::path& output);

/// Writes a plain Hugging Face directory with every patch folded (in float64) and prints how far the logits moved on a sample.
/// The session's model stays as it was.
/// @param reversible  also writes what `unmerge` needs
/// @param precision   of the written weights: "fp32", "fp16" or "bf16"
void write_merged(Session& session, const std::filesystem::path& output, bool reversible = false,
                  const std::string& precision = "fp32");

}  // namespace plugtune::app
