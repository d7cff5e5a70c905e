// check_speed.cc - what a training step with a strategy costs beside the two ends: everything trains, and the head alone does.
#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "plugin/check_numbers.h"

namespace plugtune::plugin {
namespace {

constexpr int kRounds = 4, kSteps = 10, kWarmUpSteps = 2;

/// Trains the whole model.
class Everything final : public Strategy {
 public:
  void apply(Model& model) override {
    for (const auto& [name, parameter] : model.base_parameters())
      model.train_base(name);
  }
};

/// Leaves the model as it is.
class Nothing final : public Strategy {
 public:
  void apply(Model&) override {}
};

/// The fastest of a few steps, from one backward pass to the next.
double fastest_step_ms(Trial& trial) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> steps;
  auto last = Clock::now();
  trial.train(kSteps, /*with_head=*/true, [&] {
    const auto now = Clock::now();
    steps.push_back(std::chrono::duration<double, std::milli>(now - last).count());
    last = now;
  });
  return *std::min_element(steps.begin() + kWarmUpSteps, steps.end());
}

template <class Other>
Trial trial_of(const CheckSubject& subject, const Plugin& plugin) {
  return Trial(LoadedStrategy{plugin, std::make_unique<Other>()}, subject.options.seed);
}

/// Of the strategy, of everything, of the head alone: in turn, so that whatever else the machine does slows all of them down.
std::array<double, 3> step_ms(const CheckSubject& subject) {
  const Plugin plugin = subject.load();
  Trial own(subject, plugin), full = trial_of<Everything>(subject, plugin), head = trial_of<Nothing>(subject, plugin);
  std::array<double, 3> best;
  best.fill(std::numeric_limits<double>::infinity());
  const std::array<Trial*, 3> trials = {&own, &full, &head};
  for (Trial* trial : trials)
    trial->apply();
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < trials.size(); ++i)
      best[i] = std::min(best[i], fastest_step_ms(*trials[i]));
  }
  return best;
}

}  // namespace

std::string check_speed(const CheckSubject& subject) {
  std::string text;
  std::map<std::string, double> numbers;
  try {
    const auto [own_ms, full_ms, head_ms] = step_ms(subject);
    numbers = {{"step_ms", own_ms}, {"full_step_ms", full_ms}, {"head_step_ms", head_ms}};
    text =
        fmt::format("a training step takes {:.1f} ms; {:.1f} ms when everything trains, {:.1f} ms for the head alone",
                    own_ms, full_ms, head_ms);
  } catch (const CheckVerdict&) {
    throw;
  } catch (...) {
    text = "not measured: " + exception_text();  // other tests judge that
  }
  throw CheckVerdict(CheckStatus::kNote, text, std::move(numbers));
}

}  // namespace plugtune::plugin
