// The flat-buffer passes against their formulas and against torch's AdamW.
#include "kernels/optimizer.h"

#include <torch/optim/adamw.h>

#include "kernels/reference.h"
#include "support.h"

namespace plugtune::kernels {
namespace {

struct Buffers {
  Tensor params, exp_avg, exp_avg_sq;
  explicit Buffers(const Tensor& start)
      : params(start.clone()),
        exp_avg(torch::zeros_like(start)),
        exp_avg_sq(torch::zeros_like(start)) {}
};

const std::vector<AdamWSegment> kSegments = {
    {0, 1, 1e-2, 0}, {1, 20, 3e-2, 0.1}, {20, 70'001, 1e-3, 0.01}, {70'001, 70'013, 0, 0.5}};

TEST(AdamW, FollowsTheReferenceForEverySegmentTypeAndStep) {
  torch::manual_seed(1);
  const int64_t n = kSegments.back().end;
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    const Tensor start = random_tensor({n}, type);
    Buffers found(start), expected(in_double(start));
    Tensor copy = torch::zeros({n}, torch::kBFloat16);
    for (int64_t step = 1; step <= 5; ++step) {
      const Tensor grads = random_tensor({n}, type);
      adamw(found.params, grads, found.exp_avg, found.exp_avg_sq, kSegments, 0.9, 0.999, 1e-8, step, 0.7, &copy);
      reference::adamw(expected.params, in_double(grads), expected.exp_avg, expected.exp_avg_sq, kSegments, 0.9, 0.999,
                       1e-8, step, 0.7);
    }
    const double tolerance = type == torch::kFloat ? 2e-6 : 1e-12;
    EXPECT_TRUE(near(found.params, expected.params, tolerance));
    EXPECT_TRUE(near(found.exp_avg, expected.exp_avg, tolerance));
    EXPECT_TRUE(near(found.exp_avg_sq, expected.exp_avg_sq, tolerance));
    EXPECT_TRUE(copy.equal(found.params.to(torch::kBFloat16)));
  }
}

TEST(AdamW, FollowsTorch) {
  torch::manual_seed(2);
  const Tensor start = random_tensor({1000}, torch::kFloat);
  Buffers found(start);
  Tensor theirs = trainable(start);
  torch::optim::AdamW optimizer({theirs}, torch::optim::AdamWOptions(1e-2).weight_decay(0.05));
  for (int64_t step = 1; step <= 20; ++step) {
    const Tensor grads = random_tensor({1000}, torch::kFloat);
    adamw(found.params, grads, found.exp_avg, found.exp_avg_sq, {{0, 1000, 1e-2, 0.05}}, 0.9, 0.999, 1e-8, step, 1,
          nullptr);
    theirs.mutable_grad() = grads;
    optimizer.step();
  }
  EXPECT_TRUE(near(found.params, theirs, 1e-6));
}

TEST(AdamW, LeavesElementsOutsideSegmentsAlone) {
  const Tensor start = random_tensor({100}, torch::kFloat), grads = torch::ones({100});
  Buffers found(start);
  adamw(found.params, grads, found.exp_avg, found.exp_avg_sq, {{10, 15, 1e-2, 0}, {40, 41, 1e-2, 0}}, 0.9, 0.999, 1e-8,
        1, 1, nullptr);
  const Tensor changed = (found.params != start).nonzero().flatten();
  EXPECT_TRUE(changed.equal(torch::tensor({10, 11, 12, 13, 14, 40}, torch::kLong)));
}

TEST(AdamW, RoundsTheCopyAsTorchDoes) {
  const float infinity = std::numeric_limits<float>::infinity();
  Tensor params = torch::cat(
      {torch::randn({1000}) * 1e3, torch::tensor({1.00390625f, 1.01171875f, 0.0f, infinity, -infinity, NAN, 3e38f})});
  const Tensor zeros = torch::zeros_like(params);
  Tensor exp_avg = zeros.clone(), exp_avg_sq = zeros.clone(), copy = torch::zeros({params.size(0)}, torch::kBFloat16);
  adamw(params, zeros, exp_avg, exp_avg_sq, {{0, params.size(0), 0, 0}}, 0.9, 0.999, 1e-8, 1, 1, &copy);
  EXPECT_TRUE(torch::equal(copy.nan_to_num(-7), params.to(torch::kBFloat16).nan_to_num(-7)));
}

TEST(SumOfSquares, IsExactToDoubleAndTheSameOnAnyNumberOfThreads) {
  torch::manual_seed(3);
  for (const int64_t n : {0, 1, 15, 33, 32'768, 100'001}) {
    for (const auto type : {torch::kFloat, torch::kDouble, torch::kBFloat16}) {
      const Tensor grad = random_tensor({n}, type);
      const double expected = in_double(grad).square().sum().item<double>();
      double one, two;
      {
        const Threads threads(1);
        one = sum_of_squares(grad);
      }
      {
        const Threads threads(2);
        two = sum_of_squares(grad);
      }
      EXPECT_NEAR(one, expected, 1e-11 * expected);
      if (type == torch::kFloat) {
        EXPECT_EQ(one, two);
      }
    }
  }
}

}  // namespace
}  // namespace plugtune::kernels
