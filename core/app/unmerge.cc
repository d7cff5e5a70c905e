// unmerge.cc - `plugtune unmerge`: the base out of a directory that was merged with --reversible, bit for bit.
#include <fmt/format.h>

#include <iostream>

#include "app/command_line.h"
#include "app/merging.h"
#include "experiment/merge_record.h"
#include "formats/safetensors.h"

namespace plugtune::app {
namespace {

void write_base(const experiment::MergeBase& base, const std::filesystem::path& output) {
  formats::AtomicDirectory directory(output);
  directory.copy(base.config, "config.json");
  for (const std::filesystem::path& file : base.tokenizer)
    directory.copy(file, file.filename().string());
  formats::OutputFile tensors = directory.create("model.safetensors");
  formats::write_safetensors(tensors, base.tensors, base.metadata);
  tensors.close();
  directory.commit();
}

}  // namespace

int unmerge_command(const Arguments& arguments) {
  CommandLine line(
      "unmerge",
      "Writes the base of a directory that was merged with --reversible: every tensor with the type and the\n"
      "bits that it had. A directory whose weights were changed since is refused.",
      {"plugtune unmerge models/quickstart --output models/base"});
  line.positional("merged").value("output", "DIR", "the directory to write");
  if (!line.parse(arguments)) return kDone;
  if (!line.has("output")) throw Error("unmerge: --output DIR is required: the directory to write");
  const std::filesystem::path output = line.text("output");
  check_output("unmerge", output);
  const std::string merged = line.texts("merged").front();
  const experiment::MergeRecord record = experiment::read_merge_record(merged);
  const experiment::MergeBase base = experiment::read_base_of_merged(merged, record);
  write_base(base, output);
  std::cout << fmt::format(
      "{}: written; {} tensors of {}, fingerprint {}, bit for bit\nrun {} ({}) had been merged into it\n",
      output.string(), base.tensors.size(), record.base_path, record.base_fingerprint, record.run,
      join(record.strategies));
  return kDone;
}

}  // namespace plugtune::app
