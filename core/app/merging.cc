// merging.cc - a run's delta folded into the weights.
#include "app/merging.h"

#include <fmt/format.h>

#include <iostream>

#include "data/batches.h"

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
  return {torch::randint(session.model().info().vocabulary_size, {layout.rows()}),
          torch::zeros({layout.rows()}, torch::kInt64), torch::cat(positions), layout};
}

}  // namespace

void check_output(const std::string& command, const std::filesystem::path& output) {
  if (std::filesystem::exists(output) && !std::filesystem::is_empty(output)) {
    throw Error(fmt::format("{}: {} exists already; choose another --output, or remove it", command, output.string()));
  }
}

void write_merged(Session& session, const std::filesystem::path& output) {
  torch::NoGradGuard no_grad;
  const model::Input input = sample(session);
  const Tensor before = session.methods.guard("forward()", [&] { return session.model().forward(input); });
  session.methods.guard("fold()", [&] { session.model().fold(); });
  const double difference = (session.model().forward(input) - before).abs().max().item<double>();
  model::write_model(session.opened, output);
  std::cout << fmt::format("{}: written; logits differ from the run's by at most {:.1e} on {} random sequences\n",
                           output.string(), difference, kSampleSequences);
}

}  // namespace plugtune::app
