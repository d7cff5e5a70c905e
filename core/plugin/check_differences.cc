// check_differences.cc - whether what backward() says of a strategy's numbers is what small changes of them do to the loss.
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "plugin/check_numbers.h"
#include "plugtune/error.h"

namespace plugtune::plugin {
namespace {

constexpr uint64_t kSeed = 21;                 // of dropout, the same for each loss
constexpr double kDifferenceTolerance = 1e-3;  // a backward function that is wrong is wrong by more
// Changes of a number, relative to it where it is above 1. The larger ones are for what is computed in float inside, as an auxiliary
// loss may be: rounding drowns what a small change does there.
constexpr double kSmallChanges[] = {1e-5, 1e-3, 1e-2};
constexpr double kLargeChanges[] = {1e-1, 1};
constexpr double kRounding = 1e-14;   // of a loss
constexpr double kNegligible = 1e-3;  // of the largest gradient: no smaller one is asked for all its digits
constexpr size_t kMostTensors = 64;

/// The loss in training mode as a function of the trial's numbers: the same random numbers each time.
double loss_of(Trial& trial) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(kSeed);
  return trial.training_loss().item<double>();
}

/// One number of a tensor, and what backward() says of it.
struct Number {
  std::string name;
  Tensor tensor;
  int64_t index;
  double gradient;
  bool is_trained;  ///< by the strategy
};

/// The loss with a number changed.
double changed_loss(Trial& trial, const Number& number, double change) {
  const torch::NoGradGuard no_grad;
  const Tensor before = number.tensor.detach().clone();
  const Tensor changed = before.clone(at::MemoryFormat::Contiguous);
  changed.view(-1)[number.index].add_(change);
  number.tensor.detach().copy_(changed);
  const double loss = loss_of(trial);
  number.tensor.detach().copy_(before);
  return loss;
}

/// What small changes of a number say, beside its gradient.
struct Finding {
  enum { kAgrees = 1, kWrong, kNotSmooth } kind;
  double slope, error;  ///< of the smallest change; relative
};

bool changes_in_steps(Trial& trial, const Number& number, double loss) {
  return std::ranges::any_of(kLargeChanges, [&](double change) {
    return changed_loss(trial, number, change) != loss || changed_loss(trial, number, -change) != loss;
  });
}

/// @param loss  without a change   @param scale  the largest gradient of all
Finding compare(Trial& trial, const Number& number, double loss, double scale) {
  const double size = std::max(1.0, std::abs(number.tensor.detach().flatten()[number.index].item<double>()));
  std::optional<Finding> first;
  for (const double step : kSmallChanges) {
    const double change = step * size;
    const double above = changed_loss(trial, number, change), below = changed_loss(trial, number, -change);
    const double slope = (above - below) / (2 * change);
    const double largest = std::max({std::abs(number.gradient), std::abs(slope), kNegligible * scale});
    const double off = std::abs(slope - number.gradient);
    const double error = largest > 0 ? off / largest : 0;
    if (off <= kDifferenceTolerance * largest + kRounding * std::max(1.0, std::abs(loss)) / change)
      return {Finding::kAgrees, slope, error};
    if (first) continue;
    first = Finding{Finding::kWrong, slope, error};
    const double right = (above - loss) / change, left = (loss - below) / change;
    const bool is_kink = std::abs(right - left) > 1e-2 * std::max({std::abs(right), std::abs(left), largest});
    const bool is_flat = above == loss && below == loss;
    if (is_kink || (is_flat && changes_in_steps(trial, number, loss))) first->kind = Finding::kNotSmooth;
  }
  return *first;
}

/// Of each tensor that trains two numbers: the one with the largest gradient and any other. And of the word embedding: its gradient
/// is what the patches hand down of theirs.
std::vector<Number> numbers_to_try(Trial& trial) {
  auto named = trial.trainables();
  std::erase_if(named, [](const auto& entry) { return entry.second.numel() == 0; });
  if (named.size() > kMostTensors) named.resize(kMostTensors);
  const size_t trained = named.size();
  named.emplace_back("embeddings.word_embeddings.weight", trial.model().word_embeddings().weight);
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : named)
    tensors.push_back(tensor.requires_grad() ? tensor : tensor.set_requires_grad(true));
  torch::manual_seed(kSeed);
  const Tensor loss = trial.training_loss();
  const std::vector<Tensor> gradients = trial.plugin().call("backward()", [&] {
    return torch::autograd::grad({loss}, tensors, {}, /*retain_graph=*/{}, /*create_graph=*/false,
                                 /*allow_unused=*/true);
  });
  auto generator = at::detail::createCPUGenerator(/*seed=*/19);
  std::vector<Number> numbers;
  for (size_t i = 0; i < named.size(); ++i) {
    const Tensor gradient =
        gradients[i].defined() ? gradients[i].flatten() : torch::zeros({tensors[i].numel()}, torch::kFloat64);
    const int64_t largest = gradient.abs().argmax().item<int64_t>();
    const int64_t any = torch::randint(gradient.numel(), {1}, generator, torch::kInt64).item<int64_t>();
    for (const int64_t index : std::set<int64_t>{largest, any})
      numbers.push_back({named[i].first, tensors[i], index, gradient[index].item<double>(), i < trained});
  }
  return numbers;
}

}  // namespace

std::string check_differences(const CheckSubject& subject) {
  Trial trial(subject, subject.load());
  trial.apply();
  if (trial.trainables().empty()) skip("nothing to train but the head");
  trial.train(3);  // many methods start where half of their gradients are zero
  trial.model().to(torch::kFloat64);
  trial.model().train();
  const double loss = loss_of(trial);
  if (loss_of(trial) != loss) skip("the loss is another each time, with the same random numbers of torch");

  const std::vector<Number> numbers = numbers_to_try(trial);
  double scale = 0, worst = 0;
  for (const Number& number : numbers)
    scale = std::max(scale, std::abs(number.gradient));
  size_t agreeing = 0, trained = 0;
  for (const Number& number : numbers) {
    const Finding found = compare(trial, number, loss, scale);
    if (found.kind == Finding::kWrong) {
      fail("'{}' at {}: backward() gives {:.5g}, but small changes change the loss by {:.5g} times as much",
           number.name, number.index, number.gradient, found.slope);
    }
    if (found.kind == Finding::kNotSmooth) continue;
    ++agreeing;
    trained += number.is_trained;
    worst = std::max(worst, found.error);
  }
  if (trained == 0) skip("the loss is not smooth: it has kinks or steps wherever it was tried");
  const std::string kinks =
      agreeing < numbers.size() ? fmt::format("; {} at kinks or steps", numbers.size() - agreeing) : "";
  return fmt::format("{}, off by at most {:.1g}{}", counted(agreeing, "number"), worst, kinks);
}

}  // namespace plugtune::plugin
