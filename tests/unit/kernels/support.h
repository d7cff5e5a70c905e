#pragma once
// support.h - what the kernels' tests share: random tensors, comparison, finite differences.

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/types.h>

#include <functional>
#include <vector>

#include "kernels/random.h"
#include "kernels/simd.h"
#include "plugtune/layout.h"

/// For what kernels promise and ATen's operations do not.
#define SKIP_WITHOUT_KERNELS() \
  if (instruction_set() == "none") GTEST_SKIP() << "ATen's operations do not promise this"

namespace plugtune::kernels {

/// The types that every span supports, and how closely its results follow the reference.
struct TypeCase {
  torch::ScalarType type;
  double tolerance;
};
inline const std::vector<TypeCase> kTypes = {{torch::kFloat, 1e-5}, {torch::kDouble, 1e-6}, {torch::kBFloat16, 2e-2}};

/// A normal tensor whose elements are numbers of `type`.
inline Tensor random_tensor(torch::IntArrayRef sizes, torch::ScalarType type = torch::kDouble) {
  return torch::randn(sizes).to(type);
}

inline Tensor in_double(const Tensor& x) { return x.detach().to(torch::kDouble).contiguous(); }

/// |actual - expected| <= tolerance (1 + |expected|) for each element.
inline testing::AssertionResult near(const Tensor& actual, const Tensor& expected, double tolerance) {
  if (!actual.defined() || !expected.defined()) return testing::AssertionFailure() << "a tensor is undefined";
  if (actual.sizes() != expected.sizes())
    return testing::AssertionFailure() << actual.sizes() << " is not " << expected.sizes();
  if (actual.numel() == 0) return testing::AssertionSuccess();
  const Tensor a = in_double(actual), e = in_double(expected);
  const double worst = ((a - e).abs() / (1 + e.abs())).max().item<double>();
  if (worst <= tolerance) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "differs by " << worst << ", more than " << tolerance;
}

/// A copy that wants a gradient.
inline Tensor trainable(const Tensor& x) { return x.detach().clone().requires_grad_(); }

/// The gradients of sum(f * direction) in `inputs`, undefined where an input takes no part.
inline std::vector<Tensor> gradients(const Tensor& f, const Tensor& direction, const std::vector<Tensor>& inputs) {
  return torch::autograd::grad({f}, inputs, {direction.to(f.scalar_type())}, /*retain_graph=*/false,
                               /*create_graph=*/false,
                               /*allow_unused=*/true);
}

/// Autograd's gradients of f, in double, against central differences.
inline void expect_finite_differences(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                                      const std::vector<Tensor>& at) {
  std::vector<Tensor> inputs;
  for (const Tensor& x : at)
    inputs.push_back(trainable(x.to(torch::kDouble)));
  const Tensor out = f(inputs), direction = random_tensor(out.sizes());
  const std::vector<Tensor> found = gradients(out, direction, inputs);
  const torch::NoGradGuard no_grad;
  const double step = 1e-5;
  for (size_t n = 0; n < inputs.size(); ++n) {
    const Tensor flat = inputs[n].view(-1), difference = torch::zeros_like(flat);
    for (int64_t i = 0; i < flat.size(0); ++i) {
      const double middle = flat[i].item<double>();
      const auto value = [&](double x) {
        flat[i] = x;
        return (f(inputs) * direction).sum().item<double>();
      };
      difference[i] = (value(middle + step) - value(middle - step)) / (2 * step);
      flat[i] = middle;
    }
    EXPECT_TRUE(near(found[n].reshape(-1), difference, 1e-6)) << "input " << n;
  }
}

/// Restores the number of threads.
class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }

 private:
  int before_;
};

inline int64_t total(const std::vector<int64_t>& lengths) {
  int64_t sum = 0;
  for (const int64_t length : lengths)
    sum += length;
  return sum;
}

}  // namespace plugtune::kernels
