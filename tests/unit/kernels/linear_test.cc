// linear_test.cc - linear layers against torch's, alone and three side by side; gradients added in place.
#include "kernels/linear.h"

#include "kernels/torch_products.h"

#include "support.h"

namespace plugtune::kernels {
namespace {

Projection projection(int64_t out, int64_t in, torch::ScalarType type, bool with_bias = true) {
  return {trainable(random_tensor({out, in}, type)), with_bias ? trainable(random_tensor({out}, type)) : Tensor()};
}

/// One or three of them.
Tensor found_of(const Tensor& x, const std::vector<Projection>& projections) {
  if (projections.size() == 1) return linear(x, projections[0].weight, projections[0].bias);
  return linear(x, {projections[0], projections[1], projections[2]});
}

Tensor expected_of(const Tensor& x, const std::vector<Projection>& projections) {
  std::vector<Tensor> parts;
  for (const Projection& one : projections)
    parts.push_back(torch::linear(x, one.weight, one.bias));
  return torch::cat(parts, 1);
}

std::vector<Tensor> inputs_of(const Tensor& x, const std::vector<Projection>& projections) {
  std::vector<Tensor> inputs = {x};
  for (const Projection& one : projections) {
    inputs.push_back(one.weight);
    if (one.bias.defined()) inputs.push_back(one.bias);
  }
  return inputs;
}

std::vector<std::vector<Projection>> cases(torch::ScalarType type) {
  return {{projection(7, 5, type)},
          {projection(7, 5, type, /*with_bias=*/false)},
          {projection(4, 5, type), projection(6, 5, type), projection(3, 5, type)}};
}

TEST(Linear, IsTorchsForAnyNumberOfProjections) {
  torch::manual_seed(1);
  for (const TypeCase& type : kTypes) {
    for (const auto& projections : cases(type.type)) {
      const Tensor x = trainable(random_tensor({9, 5}, type.type));
      const Tensor found = found_of(x, projections), expected = expected_of(x, projections);
      EXPECT_TRUE(near(found, expected, type.tolerance));
      const Tensor direction = random_tensor(found.sizes(), type.type);
      const auto inputs = inputs_of(x, projections);
      const auto grads = gradients(found, direction, inputs), wanted = gradients(expected, direction, inputs);
      for (size_t i = 0; i < inputs.size(); ++i)
        EXPECT_TRUE(near(grads[i], wanted[i], type.tolerance)) << "input " << i;
    }
  }
}

// In bf16 the gradients that are there are fp32, as the optimizer's are.
TEST(Linear, AddsGradientsToThoseThatAreThere) {
  torch::manual_seed(2);
  for (const TypeCase& type : kTypes) {
    for (const auto& projections : cases(type.type)) {
      const Tensor x = trainable(random_tensor({9, 5}, type.type));
      const Tensor direction = random_tensor(expected_of(x, projections).sizes(), type.type);
      const auto inputs = inputs_of(x, projections);
      const auto wanted = gradients(expected_of(x, projections), direction, inputs);
      std::vector<const void*> places;
      for (const Tensor& input : inputs) {
        input.mutable_grad() = torch::ones_like(input, torch::kFloat);
        places.push_back(input.grad().data_ptr());
      }
      const GradientsInPlace guard;
      found_of(x, projections).backward(direction);
      for (size_t i = 0; i < inputs.size(); ++i) {
        EXPECT_TRUE(near(inputs[i].grad(), wanted[i].to(torch::kFloat) + 1, type.tolerance)) << "input " << i;
        EXPECT_EQ(inputs[i].grad().data_ptr(), places[i]) << "input " << i;
      }
    }
  }
}

// Products of bf16 are summed in fp32 over blocks of rows; columns of a wider tensor and transposes are read where they lie.
TEST(Linear, SumsOfBf16AreRoundedOnce) {
  SKIP_WITHOUT_KERNELS();
  torch::manual_seed(3);
  for (const int64_t rows : {1, 31, 1023, 1024, 1025, 2500}) {
    const Projection one = projection(33, 70, torch::kBFloat16);
    const Tensor x = trainable(random_tensor({70, rows}, torch::kBFloat16).t());
    const Tensor direction = random_tensor({rows, 50}, torch::kBFloat16).narrow(1, 9, 33);
    const auto exact = [](const Tensor& tensor) { return tensor.detach().to(torch::kDouble); };
    const auto rounded = [](const Tensor& tensor) { return tensor.to(torch::kFloat).to(torch::kBFloat16); };
    const Tensor found = linear(x, one.weight, one.bias);
    EXPECT_TRUE(near(found, rounded(torch::linear(exact(x), exact(one.weight), exact(one.bias))), 8e-3)) << rows;
    one.weight.mutable_grad() = torch::zeros_like(one.weight, torch::kFloat);
    one.bias.mutable_grad() = torch::zeros_like(one.bias, torch::kFloat);
    const GradientsInPlace guard;
    found.backward(direction);
    EXPECT_TRUE(near(x.grad(), rounded(exact(direction).mm(exact(one.weight))), 8e-3)) << rows;
    const Tensor weight = exact(direction).t().mm(exact(x)), bias = exact(direction).sum(0);
    EXPECT_LT((one.weight.grad() - weight).abs().max().item<double>(), 1e-5 * static_cast<double>(rows)) << rows;
    EXPECT_LT((one.bias.grad() - bias).abs().max().item<double>(), 1e-5 * static_cast<double>(rows)) << rows;
  }
}

TEST(Linear, WhatAPluginWritesWithTorchIsRoundedOnceToo) {
  take_over_torch_products();
  torch::manual_seed(4);
  const Tensor x = random_tensor({1500, 64}, torch::kBFloat16), weight = random_tensor({40, 64}, torch::kBFloat16);
  const Tensor bias = random_tensor({40}, torch::kBFloat16), base = random_tensor({1500, 40}, torch::kBFloat16);
  const Tensor product = in_double(x).mm(in_double(weight).t());
  const auto rounded = [](const Tensor& exact) { return exact.to(torch::kFloat).to(torch::kBFloat16); };
  constexpr double kOneRounding = 8e-3;
  EXPECT_TRUE(near(torch::linear(x, weight), rounded(product), kOneRounding));
  EXPECT_TRUE(near(torch::linear(x, weight, bias), rounded(product + in_double(bias)), kOneRounding));
  EXPECT_TRUE(near(torch::addmm(base, x, weight.t()), rounded(product + in_double(base)), kOneRounding));
  EXPECT_TRUE(near(torch::addmm(base, x, weight.t(), 1, 2), rounded(2 * product + in_double(base)), kOneRounding));
  EXPECT_TRUE(near(torch::addmm(base, x, weight.t(), 0.5, 2), rounded(2 * product + 0.5 * in_double(base)), 2e-2));
  EXPECT_TRUE(near(torch::mm(x.to(torch::kFloat), weight.t().to(torch::kFloat)), product, 1e-5));
  EXPECT_EQ(torch::mm(x.narrow(0, 0, 0), weight.t()).size(0), 0);
  EXPECT_EQ(torch::mm(x.narrow(1, 0, 0), weight.t().narrow(0, 0, 0)).abs().max().item<float>(), 0);
  EXPECT_THROW(torch::mm(x, weight), c10::Error);
}

TEST(Linear, GradientsEqualFiniteDifferences) {
  torch::manual_seed(5);
  const auto one = [](const std::vector<Tensor>& in) { return linear(in[0], in[1], in[2]); };
  expect_finite_differences(one, {random_tensor({4, 3}), random_tensor({5, 3}), random_tensor({5})});
  const auto three = [](const std::vector<Tensor>& in) {
    return linear(in[0], std::array<Projection, 3>{{{in[1], in[2]}, {in[3], in[4]}, {in[5], in[6]}}});
  };
  expect_finite_differences(three,
                            {random_tensor({4, 3}), random_tensor({5, 3}), random_tensor({5}), random_tensor({2, 3}),
                             random_tensor({2}), random_tensor({5, 3}), random_tensor({5})});
}

TEST(Linear, LeavesAParameterWithAHookToAutograd) {
  const std::vector<Projection> projections = {projection(3, 2, torch::kFloat)};
  const Tensor weight = projections[0].weight;
  weight.mutable_grad() = torch::zeros_like(weight);
  weight.register_hook([](const Tensor& grad) { return grad * 2; });
  const Tensor x = random_tensor({4, 2}, torch::kFloat);
  const GradientsInPlace guard;
  found_of(x, projections).backward(torch::ones({4, 3}));
  EXPECT_TRUE(near(weight.grad(), 2 * torch::ones({3, 4}).mm(x), 1e-5));
}

TEST(Linear, WithoutAGuardAutogradReturnsEveryGradient) {
  const std::vector<Projection> projections = {projection(3, 2, torch::kFloat)};
  const Tensor weight = projections[0].weight, x = random_tensor({4, 2}, torch::kFloat);
  weight.mutable_grad() = torch::zeros_like(weight);
  const auto found = torch::autograd::grad({found_of(x, projections).sum()}, {weight});
  EXPECT_TRUE(near(found[0], torch::ones({3, 4}).mm(x), 1e-5));
  EXPECT_EQ(weight.grad().abs().max().item<float>(), 0);
}

}  // namespace
}  // namespace plugtune::kernels
