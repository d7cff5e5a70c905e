// Attention against its formula: every length, type, shape of batch and kind of view; gradients, masks, bits.
#include "kernels/attention.h"

#include "kernels/composed.h"
#include "kernels/reference.h"
#include "support.h"

namespace plugtune::kernels {
namespace {

/// The inputs of one attention.
struct Case {
  Layout queries, keys;
  Tensor q, k, v;

  Case(const std::vector<int64_t>& query_lengths, const std::vector<int64_t>& key_lengths, int64_t heads,
       int64_t head_size, torch::ScalarType type)
      : queries(query_lengths),
        keys(key_lengths),
        q(random_tensor({total(query_lengths), heads, head_size}, type)),
        k(random_tensor({total(key_lengths), heads, head_size}, type)),
        v(random_tensor({total(key_lengths), heads, head_size}, type)) {}

  Tensor expected(const Dropout& dropout) const {
    return reference::attention(in_double(q), in_double(k), in_double(v), queries, keys, dropout);
  }
  Tensor found(const Dropout& dropout) const { return attention(q, k, v, queries, keys, dropout); }
};

/// Forward against the reference; gradients against those of the composed span in double.
void expect_equal_to_reference(const Case& in, const Dropout& dropout, double tolerance) {
  EXPECT_TRUE(near(in.found(dropout), in.expected(dropout), tolerance));
  const std::vector<Tensor> inputs = {trainable(in.q), trainable(in.k), trainable(in.v)};
  const std::vector<Tensor> wide = {trainable(in_double(in.q)), trainable(in_double(in.k)), trainable(in_double(in.v))};
  const Tensor direction = random_tensor(in.q.sizes(), in.q.scalar_type());
  const auto found =
      gradients(attention(inputs[0], inputs[1], inputs[2], in.queries, in.keys, dropout), direction, inputs);
  const auto expected =
      gradients(composed::attention(wide[0], wide[1], wide[2], in.queries, in.keys, dropout), direction, wide);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_TRUE(near(found[i], expected[i], 3 * tolerance)) << "gradient of "
                                                            << "qkv"[i];
}

TEST(Attention, EqualsTheReferenceForEveryLength) {
  torch::manual_seed(1);
  for (int64_t length = 1; length <= 130; ++length) {
    const int64_t head_size = length % 3 == 0 ? 32 : length % 3 == 1 ? 64 : 8 + length % 16;
    for (const TypeCase& type : kTypes) {
      for (const double p : {0.0, 0.1}) {
        SCOPED_TRACE(testing::Message() << toString(type.type) << " length " << length << " p " << p);
        expect_equal_to_reference(Case({length}, {length}, 1, head_size, type.type), {p, 5}, type.tolerance);
      }
    }
  }
}

TEST(Attention, EqualsTheReferenceForRaggedBatchesOfEveryType) {
  torch::manual_seed(2);
  const std::vector<int64_t> lengths = {7, 1, 40, 16, 17, 3, 25, 66};
  for (const TypeCase& type : kTypes) {
    for (const int64_t head_size : {5, 16, 32, 64}) {
      for (const double p : {0.0, 0.3}) {
        SCOPED_TRACE(testing::Message() << toString(type.type) << " D " << head_size << " p " << p);
        expect_equal_to_reference(Case(lengths, lengths, 3, head_size, type.type), {p, 17}, type.tolerance);
      }
    }
  }
}

TEST(Attention, HandlesSequencesLongerThanABlockOfQueries) {
  torch::manual_seed(3);
  for (const int64_t length : {131, 300, 512}) {
    const Case in({length, 2}, {length, 2}, 1, 32, torch::kFloat);
    EXPECT_TRUE(near(in.found({0.1, 3}), in.expected({0.1, 3}), 1e-5)) << length;
    expect_equal_to_reference(in, {0.1, 3}, 1e-5);
  }
}

TEST(Attention, QueriesMayBeFirstRowsOrKeysHaveAPrefix) {
  torch::manual_seed(4);
  for (const TypeCase& type : kTypes) {
    expect_equal_to_reference(Case({1, 1, 1}, {30, 1, 9}, 2, 32, type.type), {0.2, 8}, type.tolerance);
    expect_equal_to_reference(Case({5, 12}, {5 + 4, 12 + 4}, 2, 32, type.type), {0.2, 9}, type.tolerance);
  }
}

TEST(Attention, FirstRowsAreThoseOfAllRows) {
  torch::manual_seed(5);
  const Case in({4, 20, 9}, {4, 20, 9}, 2, 32, torch::kFloat);
  const Tensor first =
      attention(in.q.index_select(0, in.queries.first_rows()), in.k, in.v, in.queries.first_rows_only(), in.keys, {});
  EXPECT_TRUE(near(first, in.found({}).index_select(0, in.queries.first_rows()), 1e-6));
}

TEST(Attention, ReadsPartsOfOneProductInPlace) {
  torch::manual_seed(6);
  const std::vector<int64_t> lengths = {6, 21, 13};
  const Layout layout(lengths);
  for (const TypeCase& type : kTypes) {
    const Tensor product = trainable(random_tensor({40, 3 * 2 * 32}, type.type));
    const auto [q, k, v] = split_qkv(product, 2);
    EXPECT_EQ(q.data_ptr(), product.data_ptr());
    const Dropout dropout{0.1, 6};
    const Tensor out = attention(q, k, v, layout, layout, dropout);
    const Tensor plain = trainable(product);
    const auto parts = plain.view({40, 3, 2, 32}).unbind(1);
    const Tensor copied =
        attention(parts[0].contiguous(), parts[1].contiguous(), parts[2].contiguous(), layout, layout, dropout);
    EXPECT_TRUE(out.equal(copied));
    const Tensor direction = random_tensor(out.sizes(), type.type);
    EXPECT_TRUE(gradients(out, direction, {product})[0].equal(gradients(copied, direction, {plain})[0]));
  }
}

TEST(Attention, GradientsOfAProductAreHandedOnWithoutACopy) {
  SKIP_WITHOUT_KERNELS();
  const Tensor product = trainable(random_tensor({10, 3 * 2 * 16}, torch::kFloat));
  auto parts = split_qkv(product, 2);
  const Layout layout({10});
  const void* grad_q = nullptr;
  parts[0].register_hook([&](const Tensor& grad) { grad_q = grad.data_ptr(); });
  const Tensor out = attention(parts[0], parts[1], parts[2], layout, layout, {});
  EXPECT_EQ(gradients(out, torch::ones_like(out), {product})[0].data_ptr(), grad_q);
}

TEST(Attention, PartsOfAProductMayBeUsedByOthersToo) {
  const Tensor product = trainable(random_tensor({10, 3 * 2 * 16})), plain = trainable(product);
  const auto parts = split_qkv(product, 2);
  const auto expected = plain.view({10, 3, 2, 16}).unbind(1);
  const Tensor direction = random_tensor({10, 2, 16});
  EXPECT_TRUE(
      near(gradients(parts[1] * 2, direction, {product})[0], gradients(expected[1] * 2, direction, {plain})[0], 0));
}

TEST(Attention, ComputesOnlyTheGradientsThatAreNeeded) {
  const Case in({5, 9}, {5, 9}, 2, 32, torch::kFloat);
  const Dropout dropout{0.1, 2};
  const Tensor direction = random_tensor(in.q.sizes(), torch::kFloat);
  const std::vector<Tensor> all = {trainable(in.q), trainable(in.k), trainable(in.v)};
  const auto expected = gradients(attention(all[0], all[1], all[2], in.queries, in.keys, dropout), direction, all);
  for (size_t wanted = 0; wanted < 3; ++wanted) {
    std::vector<Tensor> inputs = {in.q, in.k, in.v};
    inputs[wanted] = trainable(inputs[wanted]);
    const Tensor out = attention(inputs[0], inputs[1], inputs[2], in.queries, in.keys, dropout);
    out.backward(direction);
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(inputs[i].grad().defined(), i == wanted);
    EXPECT_TRUE(inputs[wanted].grad().equal(expected[wanted]));
  }
}

TEST(Attention, SameSeedSameBitsOnAnyNumberOfThreads) {
  SKIP_WITHOUT_KERNELS();
  const Case in({50, 3, 17, 20, 1, 64}, {50, 3, 17, 20, 1, 64}, 4, 32, torch::kFloat);
  const Tensor direction = random_tensor(in.q.sizes(), torch::kFloat);
  const auto run = [&](int threads, uint64_t seed) {
    const Threads limit(threads);
    const std::vector<Tensor> inputs = {trainable(in.q), trainable(in.k), trainable(in.v)};
    const Tensor out = attention(inputs[0], inputs[1], inputs[2], in.queries, in.keys, {0.1, seed});
    std::vector<Tensor> results = gradients(out, direction, inputs);
    results.push_back(out);
    return results;
  };
  const auto first = run(1, 5), second = run(2, 5), other = run(1, 6);
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_TRUE(first[i].equal(second[i])) << i;
    EXPECT_FALSE(first[i].equal(other[i])) << i;
  }
}

TEST(Attention, ComposedGradientsEqualFiniteDifferences) {
  torch::manual_seed(7);
  const Layout queries({2, 1}), keys({3, 4});
  const auto f = [&](const std::vector<Tensor>& in) {
    return attention(in[0], in[1], in[2], queries, keys, {0.3, 12});
  };
  expect_finite_differences(f, {random_tensor({3, 2, 4}), random_tensor({7, 2, 4}), random_tensor({7, 2, 4})});
}

TEST(Attention, LargeScoresDoNotOverflowAndANanStaysOne) {
  Case in({20}, {20}, 1, 32, torch::kFloat);
  in.q *= 100;
  EXPECT_TRUE(
      near(in.found({}), attention(in_double(in.q), in_double(in.k), in_double(in.v), in.queries, in.keys, {}), 1e-4));
  in.k[3][0][5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(in.found({}).isnan().all().item<bool>());
}

TEST(Attention, NoSequencesGiveNoRows) {
  const Layout none;
  const Tensor empty = torch::zeros({0, 2, 8});
  EXPECT_EQ(attention(empty, empty, empty, none, none, {0.1, 1}).sizes(), empty.sizes());
}

}  // namespace
}  // namespace plugtune::kernels
