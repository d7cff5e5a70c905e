// The row-wise spans (junction, GELU, embedding) against their formulas.
#include "kernels/activation.h"
#include "kernels/composed.h"
#include "kernels/embedding.h"
#include "kernels/junction.h"
#include "kernels/reference.h"
#include "support.h"

namespace plugtune::kernels {
namespace {

constexpr double kEps = 1e-12;

using Span = std::function<Tensor(const std::vector<Tensor>&)>;

/// Gradients of a span at `at` against those of the same span composed in double, which finite differences prove.
void expect_gradients(const Span& span, const std::vector<Tensor>& at, double tolerance) {
  std::vector<Tensor> inputs, wide;
  for (const Tensor& x : at) {
    inputs.push_back(trainable(x));
    wide.push_back(trainable(in_double(x)));
  }
  const Tensor out = span(inputs), direction = random_tensor(out.sizes(), out.scalar_type());
  const auto found = gradients(out, direction, inputs), expected = gradients(span(wide), in_double(direction), wide);
  for (size_t i = 0; i < at.size(); ++i) {
    EXPECT_EQ(found[i].scalar_type(), at[i].scalar_type());
    EXPECT_TRUE(near(found[i], expected[i], tolerance)) << "input " << i;
  }
}

/// Only the wanted input gets a gradient, and it is the same as when all are wanted.
void expect_only_needed_gradients(const Span& span, const std::vector<Tensor>& at) {
  std::vector<Tensor> all;
  for (const Tensor& x : at)
    all.push_back(trainable(x));
  const Tensor out = span(all), direction = random_tensor(out.sizes(), out.scalar_type());
  const auto expected = gradients(out, direction, all);
  for (size_t wanted = 0; wanted < at.size(); ++wanted) {
    std::vector<Tensor> inputs = at;
    inputs[wanted] = trainable(inputs[wanted]);
    span(inputs).backward(direction);
    for (size_t i = 0; i < at.size(); ++i)
      EXPECT_EQ(inputs[i].grad().defined(), i == wanted);
    EXPECT_TRUE(inputs[wanted].grad().equal(expected[wanted])) << "input " << wanted;
  }
  const torch::NoGradGuard no_grad;
  EXPECT_TRUE(span(at).equal(out)) << "without a graph";
}

void expect_same_bits_on_any_number_of_threads(const Span& span, const std::vector<Tensor>& at) {
  SKIP_WITHOUT_KERNELS();
  std::vector<std::vector<Tensor>> results;
  for (const int threads : {1, 2, 2}) {
    const Threads limit(threads);
    std::vector<Tensor> inputs;
    for (const Tensor& x : at)
      inputs.push_back(trainable(x));
    const Tensor out = span(inputs);
    results.push_back(gradients(out, torch::ones_like(out), inputs));
    results.back().push_back(out);
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_TRUE(results[0][i].equal(results[1][i])) << i;
    EXPECT_TRUE(results[1][i].equal(results[2][i])) << i;
  }
}

std::vector<Tensor> junction_inputs(int64_t rows, int64_t columns, torch::ScalarType type) {
  return {random_tensor({rows, columns}, type), random_tensor({rows, columns}, type), random_tensor({columns}, type),
          random_tensor({columns}, type)};
}

Span junction(const Dropout& dropout) {
  return [dropout](const std::vector<Tensor>& in) {
    return dropout_residual_layer_norm(in[0], in[1], in[2], in[3], kEps, dropout);
  };
}

TEST(Junction, EqualsTheReferenceForEveryWidthAndType) {
  torch::manual_seed(1);
  for (const TypeCase& type : kTypes) {
    for (const int64_t columns : {2, 7, 16, 31, 64, 100, 129, 256, 768}) {
      for (const double p : {0.0, 1e-6, 0.2}) {  // the second rounds to none
        SCOPED_TRACE(testing::Message() << toString(type.type) << " H " << columns << " p " << p);
        const auto in = junction_inputs(37, columns, type.type);
        const Dropout dropout{p, 21};
        const Tensor expected = reference::dropout_residual_layer_norm(
            in_double(in[0]), in_double(in[1]), in_double(in[2]), in_double(in[3]), kEps, dropout);
        // Two columns have a variance near 0 now and then: the sums then agree, their quotient less.
        const double tolerance = type.tolerance * (columns < 16 ? 20 : 2);
        EXPECT_TRUE(near(junction(dropout)(in), expected, tolerance));
        if (columns >= 16) expect_gradients(junction(dropout), in, type.tolerance * 8);
      }
    }
  }
}

TEST(Junction, EqualsTheReferenceForEveryNumberOfRows) {
  torch::manual_seed(2);
  for (int64_t rows = 1; rows <= 130; ++rows) {
    const auto in = junction_inputs(rows, 48, torch::kFloat);
    const Dropout dropout{0.1, static_cast<uint64_t>(rows)};
    expect_gradients(junction(dropout), in, 1e-4);
    EXPECT_TRUE(near(junction(dropout)(in),
                     reference::dropout_residual_layer_norm(in_double(in[0]), in_double(in[1]), in_double(in[2]),
                                                            in_double(in[3]), kEps, dropout),
                     1e-5))
        << rows;
  }
}

TEST(Junction, ComputesOnlyTheGradientsThatAreNeeded) {
  for (const double p : {0.0, 0.1})
    expect_only_needed_gradients(junction({p, 3}), junction_inputs(40, 64, torch::kFloat));
}

TEST(Junction, SameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_number_of_threads(junction({0.1, 3}), junction_inputs(333, 64, torch::kFloat));
}

TEST(Junction, BackwardDropsWhatForwardDropped) {
  const Dropout dropout{0.5, 77};
  auto in = junction_inputs(20, 64, torch::kFloat);
  in[0] = trainable(in[0]);
  const Tensor out = junction(dropout)(in);
  const Tensor grad = gradients(out, random_tensor(out.sizes(), torch::kFloat), {in[0]})[0];
  EXPECT_TRUE(((grad == 0) == (dropout_multipliers(dropout, 20, 64) == 0)).all().item<bool>());
}

TEST(Junction, ComposedGradientsEqualFiniteDifferences) {
  torch::manual_seed(3);
  expect_finite_differences(junction({0.3, 4}), junction_inputs(3, 6, torch::kDouble));
}

TEST(Junction, TakesRowsWithAStrideAndNoRows) {
  const auto in = junction_inputs(10, 32, torch::kFloat);
  const Tensor wide = torch::cat({in[0], in[1]}, 1);
  EXPECT_TRUE(
      junction({0.1, 5})({wide.narrow(1, 0, 32), wide.narrow(1, 32, 32), in[2], in[3]}).equal(junction({0.1, 5})(in)));
  auto none = junction_inputs(0, 32, torch::kFloat);
  for (Tensor& x : none)
    x.requires_grad_();
  const Tensor out = junction({0.1, 5})(none);
  EXPECT_EQ(out.size(0), 0);
  EXPECT_EQ(gradients(out, torch::zeros_like(out), {none[2]})[0].abs().sum().item<double>(), 0);
}

Tensor bias_gelu_of(const std::vector<Tensor>& in) { return bias_gelu(in[0], in[1]); }
Tensor gelu_of(const std::vector<Tensor>& in) { return kernels::gelu(in[0]); }

TEST(Gelu, EqualsTheReferenceForEveryWidthAndType) {
  torch::manual_seed(4);
  for (const TypeCase& type : kTypes) {
    for (const int64_t columns : {1, 5, 16, 33, 130, 512}) {
      SCOPED_TRACE(testing::Message() << toString(type.type) << " F " << columns);
      const std::vector<Tensor> in = {random_tensor({35, columns}, type.type) * 3, random_tensor({columns}, type.type)};
      const Tensor expected = reference::bias_gelu(in_double(in[0]), in_double(in[1]));
      EXPECT_TRUE(near(bias_gelu_of(in), expected, type.tolerance));
      EXPECT_TRUE(near(gelu_of(in), reference::bias_gelu(in_double(in[0]), torch::zeros({columns}, torch::kDouble)),
                       type.tolerance));
      expect_gradients(bias_gelu_of, in, type.tolerance * 3);
      expect_gradients(gelu_of, {in[0]}, type.tolerance);
    }
  }
}

TEST(Gelu, EqualsTheReferenceForEveryNumberOfRows) {
  torch::manual_seed(9);
  for (int64_t rows = 1; rows <= 130; ++rows) {
    const std::vector<Tensor> in = {random_tensor({rows, 48}, torch::kFloat) * 3, random_tensor({48}, torch::kFloat)};
    EXPECT_TRUE(near(bias_gelu_of(in), reference::bias_gelu(in_double(in[0]), in_double(in[1])), 1e-5)) << rows;
    expect_gradients(bias_gelu_of, in, 3e-5);
  }
}

TEST(Gelu, IsExactToTheLastPlacesOverItsWholeRange) {
  SKIP_WITHOUT_KERNELS();
  const Tensor x =
      torch::cat({torch::linspace(-40, 40, 20001), torch::tensor({0.0f, -0.0f, 1e-30f, -1e-30f, 1e5f, -1e5f})});
  const Tensor wide = in_double(x);
  const Tensor expected = reference::bias_gelu(wide.view({-1, 1}), torch::zeros({1}, torch::kDouble)).flatten();
  const Tensor found = in_double(kernels::gelu(x));
  EXPECT_LT((found - expected).abs().max().item<double>(), 3e-6);
  // Relative to the result, also far out in the tail, where 1 + erf would have lost every digit.
  const Tensor inner = (wide > -10).logical_and(wide.abs() > 0);
  const Tensor relative = ((found - expected) / expected).abs().masked_select(inner);
  EXPECT_LT(relative.max().item<double>(), 1e-5);
  EXPECT_TRUE(kernels::gelu(torch::tensor({std::numeric_limits<float>::quiet_NaN()})).isnan().item<bool>());
}

TEST(Gelu, ComputesOnlyTheGradientsThatAreNeeded) {
  expect_only_needed_gradients(bias_gelu_of,
                               {random_tensor({40, 64}, torch::kFloat), random_tensor({64}, torch::kFloat)});
}

TEST(Gelu, SameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_number_of_threads(
      bias_gelu_of, {random_tensor({333, 64}, torch::kFloat), random_tensor({64}, torch::kFloat)});
}

TEST(Gelu, ComposedGradientsEqualFiniteDifferences) {
  torch::manual_seed(5);
  expect_finite_differences(bias_gelu_of, {random_tensor({3, 4}), random_tensor({4})});
  expect_finite_differences(gelu_of, {random_tensor({3, 4})});
}

/// words, type_table, position_table, weight, bias
std::vector<Tensor> embedding_inputs(int64_t rows, int64_t columns, torch::ScalarType type) {
  return {random_tensor({rows, columns}, type), random_tensor({2, columns}, type), random_tensor({12, columns}, type),
          random_tensor({columns}, type), random_tensor({columns}, type)};
}

struct EmbeddingIds {
  Tensor types, positions;
  explicit EmbeddingIds(int64_t rows)
      : types(torch::randint(0, 2, {rows}, torch::kLong)),
        positions(torch::arange(rows).remainder(12)) {}
};

Tensor embedding_reference(const std::vector<Tensor>& in, const EmbeddingIds& ids, const Dropout& dropout) {
  return reference::embedding_layer_norm(in_double(in[0]), ids.types, ids.positions, in_double(in[1]), in_double(in[2]),
                                         in_double(in[3]), in_double(in[4]), kEps, dropout);
}

Span embedding(const EmbeddingIds& ids, const Dropout& dropout) {
  return [ids, dropout](const std::vector<Tensor>& in) {
    return embedding_layer_norm(in[0], ids.types, ids.positions, in[1], in[2], in[3], in[4], kEps, dropout);
  };
}

TEST(Embedding, EqualsTheReferenceForEveryWidthAndType) {
  torch::manual_seed(6);
  for (const TypeCase& type : kTypes) {
    for (const int64_t columns : {16, 31, 100, 256}) {
      for (const double p : {0.0, 0.2}) {
        SCOPED_TRACE(testing::Message() << toString(type.type) << " H " << columns << " p " << p);
        const EmbeddingIds ids(75);
        const auto in = embedding_inputs(75, columns, type.type);
        const Dropout dropout{p, 31};
        EXPECT_TRUE(near(embedding(ids, dropout)(in), embedding_reference(in, ids, dropout), type.tolerance * 2));
        expect_gradients(embedding(ids, dropout), in, type.tolerance * 8);
      }
    }
  }
}

TEST(Embedding, EqualsTheReferenceForEveryNumberOfRows) {
  torch::manual_seed(7);
  for (int64_t rows = 1; rows <= 130; ++rows) {
    const EmbeddingIds ids(rows);
    const auto in = embedding_inputs(rows, 48, torch::kFloat);
    const Dropout dropout{0.1, static_cast<uint64_t>(rows)};
    EXPECT_TRUE(near(embedding(ids, dropout)(in), embedding_reference(in, ids, dropout), 2e-5)) << rows;
    expect_gradients(embedding(ids, dropout), in, 1e-4);
  }
}

TEST(Embedding, ComputesOnlyTheGradientsThatAreNeeded) {
  expect_only_needed_gradients(embedding(EmbeddingIds(40), {0.1, 3}), embedding_inputs(40, 64, torch::kFloat));
}

TEST(Embedding, SameBitsOnAnyNumberOfThreads) {
  expect_same_bits_on_any_number_of_threads(embedding(EmbeddingIds(333), {0.1, 3}),
                                            embedding_inputs(333, 64, torch::kFloat));
}

TEST(Embedding, ComposedGradientsEqualFiniteDifferences) {
  torch::manual_seed(8);
  expect_finite_differences(embedding(EmbeddingIds(3), {0.3, 4}), embedding_inputs(3, 6, torch::kDouble));
}

}  // namespace
}  // namespace plugtune::kernels
