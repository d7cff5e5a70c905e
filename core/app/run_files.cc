// run_files.cc - writing a run's delta.
#include "app/run_files.h"

#include "formats/atomic_file.h"
#include "formats/safetensors.h"

namespace plugtune::app {

void write_delta(const experiment::RunPaths& paths, const formats::NamedTensors& delta,
                 const experiment::DeltaInfo& info) {
  formats::AtomicDirectory building(paths.delta(), "the checkpoints are kept, go on with --resume");
  formats::OutputFile file = building.create("delta.safetensors");
  formats::write_safetensors(file, delta);
  file.close();
  building.write("delta.json", experiment::delta_info_text(info));
  building.commit();
}

}  // namespace plugtune::app
