#pragma once
// run_files.h - writing a run's delta.

#include "experiment/delta_info.h"
#include "experiment/run_directory.h"
#include "formats/named_tensors.h"

namespace plugtune::app {

/// delta/delta.safetensors and delta/delta.json, whole or not at all.
void write_delta(const experiment::RunPaths& paths, const formats::NamedTensors& delta,
                 const experiment::DeltaInfo& info);

}  // namespace plugtune::app
