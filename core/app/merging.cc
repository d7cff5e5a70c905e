// merging.cc - a run's delta folded into the weights.
#include "app/merging.h"

#include <fmt/format.h>

#include <iostream>

#include "data/batches.h"
#include "experiment/merge_record.h"
#include "formats/checkpoint_files.h"
#include "formats/safetensors.h"
#include "formats/wording.h"

namespace plugtune::app {
namespace {

constexpr int64_t kSampleSequences = 32;

/// Sequences of random words, of every length up to the model's reach: merging must not depend on what they say.
model::Input sample(const Session& session) {
  torch::manual_seed(1);
  const int64_t longest = std::min<int64_t>(session.experiment.data.max_length, 64);
  std::vector<int64_t> lengths;
  std::vector<Tensor> positions;
  for (int64_t i = 0; i < kSampleSequences; ++i) {
    lengths.push_back(1 + i * (longest - 1) / (kSampleSequences - 1));
    positions.push_back(torch::arange(lengths.back()));
  }
  const Layout layout(lengths);
  // A masked-LM head is asked for one row of each: logits of all words at every row would be large.
  return {torch::randint(session.model().info().vocabulary_size, {layout.rows()}),
          torch::zeros({layout.rows()}, torch::kInt64), torch::cat(positions), layout, layout.first_rows()};
}

/// The base as it was before the run's delta was loaded into it: out of its files, or drawn again.
experiment::MergeBase base_of(const Session& session) {
  experiment::MergeBase base{session.opened.directory / "config.json",
                             formats::tokenizer_files(session.opened.directory),
                             {},
                             {{"format", "pt"}}};
  const auto& experiment = session.experiment;
  if (experiment.model.random_init) {
    torch::manual_seed(static_cast<uint64_t>(experiment.run.seed));
    const model::OpenedModel drawn =
        model::open_model(experiment.model.path, /*random_init=*/true, session.task, experiment.task.next_sentence);
    for (const auto& [name, parameter] : drawn.bert->base_parameters())
      base.tensors.emplace(name, parameter.detach());
    return base;
  }
  std::vector<std::filesystem::path> files;
  base.tensors = formats::read_checkpoint(session.opened.directory, files);
  if (files.size() == 1 && files.front().extension() == ".safetensors")
    base.metadata = formats::SafetensorsFile::open(files.front()).metadata();
  return base;
}

experiment::MergeRecord record_of(const Session& session) {
  experiment::MergeRecord record;
  record.run = session.experiment.run.name;
  for (const auto& strategy : session.methods.all())
    record.strategies.push_back(strategy.name() + " " + strategy.version());
  record.base_path = session.experiment.model.path;
  record.base_fingerprint = session.opened.fingerprint;
  return record;
}

torch::ScalarType type_of(const std::string& precision) {
  return precision == "fp16" ? torch::kHalf : precision == "bf16" ? torch::kBFloat16 : torch::kFloat32;
}

}  // namespace

void check_output(const std::string& command, const std::filesystem::path& output) {
  if (std::filesystem::exists(output) && !std::filesystem::is_empty(output)) {
    throw Error(fmt::format("{}: {} exists already; choose another --output, or remove it", command, output.string()));
  }
}

void write_merged(Session& session, const std::filesystem::path& output, bool reversible,
                  const std::string& precision) {
  torch::NoGradGuard no_grad;
  session.model()
      .refuse_unfoldable();  // before it is run on the sample, which may be too long for what cannot be folded
  const model::Input input = sample(session);
  const Tensor before = session.methods.guard("forward()", [&] { return session.model().forward(input); });
  const model::Folded folded = session.methods.guard("fold()", [&] { return session.model().fold(); });
  const double difference = (session.model().forward(input) - before).abs().max().item<double>();
  experiment::KeptOfBase kept;
  const auto add_files = [&](formats::AtomicDirectory& directory, const formats::NamedTensors& merged) {
    if (reversible) kept = experiment::write_merge_record(directory, record_of(session), base_of(session), merged);
  };
  model::write_model(session.opened, output, add_files, type_of(precision));
  session.model().unfold(folded);
  std::cout << fmt::format("{}: written; logits differ from the run's by at most {:.1e} on {} random sequences{}\n",
                           output.string(), difference, kSampleSequences,
                           precision == "fp32" ? "" : ", before the weights were rounded to " + precision);
  if (reversible)
    std::cout << fmt::format("can be unmerged: {} of the base's {} tensors are kept in {}, {}\n", kept.kept,
                             kept.tensors, experiment::MergePaths(output).kept().parent_path().string(),
                             formats::size_text(kept.bytes));
}

}  // namespace plugtune::app
