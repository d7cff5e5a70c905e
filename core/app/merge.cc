// merge.cc - `plugtune merge`: a run as a plain Hugging Face directory, its delta in the weights.
#include "app/command_line.h"
#include "app/merging.h"

namespace plugtune::app {

int merge_command(const Arguments& arguments) {
  CommandLine line(
      "merge",
      "Folds a run's delta into the weights and writes a plain Hugging Face directory, which transformers\n"
      "and `model.path` load. Methods that compute more than a weight can (adapters) are refused.",
      {"plugtune merge runs/quickstart --output models/quickstart",
       "plugtune merge runs/quickstart --precision fp16 --output models/quickstart",
       "plugtune merge runs/quickstart --reversible --output models/quickstart"});
  line.positional("run")
      .value("output", "DIR", "the directory to write")
      .value("model", "BASE", "the base model, where it lies elsewhere than when the run was trained")
      .choice("precision", {"fp32", "fp16", "bf16"},
              "of the written weights; half of the size, and computed in fp32 all the same")
      .flag("reversible", "keep what `plugtune unmerge` needs: every tensor of the base that the merge changes")
      .plugin_path();
  if (!line.parse(arguments)) return kDone;
  if (!line.has("output")) throw Error("merge: --output DIR is required: the directory to write");
  if (line.has("reversible") && line.text("precision") != "fp32")
    throw Error("merge: --reversible keeps exact weights; leave --precision out");
  const std::filesystem::path output = line.text("output");
  check_output("merge", output);
  Session session = open_run(line.texts("run").front(), line.search_path(), line.text("model"));
  write_merged(session, output, line.has("reversible"), line.text("precision"));
  return kDone;
}

}  // namespace plugtune::app
