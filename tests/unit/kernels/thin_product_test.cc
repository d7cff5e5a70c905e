// thin_product_test.cc - batched products with a measure of 1, against double, and behind torch's bmm.
#include "kernels/thin_product.h"

#include "kernels/torch_products.h"
#include "support.h"

namespace plugtune::kernels {
namespace {

constexpr double kOneRounding = 8e-3;  // of bf16

double tolerance_of(torch::ScalarType type) { return type == torch::kFloat ? 1e-5 : kOneRounding; }

testing::AssertionResult equals_double(const Tensor& found, const Tensor& a, const Tensor& b) {
  if (!found.defined()) return testing::AssertionFailure() << "no loop fits";
  return near(found, torch::bmm(in_double(a), in_double(b)), tolerance_of(a.scalar_type()));
}

/// Columns of a larger tensor: rows that do not lie behind each other.
Tensor part_of(torch::IntArrayRef sizes, torch::ScalarType type) {
  std::vector<int64_t> larger = sizes.vec();
  for (int64_t& size : larger)
    size += 3;
  Tensor part = random_tensor(larger, type);
  for (int64_t dim = 0; dim < 3; ++dim)
    part = part.narrow(dim, 1, sizes[static_cast<size_t>(dim)]);
  return part;
}

class ThinProduct : public ::testing::TestWithParam<torch::ScalarType> {};

TEST_P(ThinProduct, EqualsDoubleWhereverTheOneIsAndHoweverItLies) {
  SKIP_WITHOUT_KERNELS();
  torch::manual_seed(1);
  for (const int64_t batch : {1, 31, 70}) {
    for (const int64_t few : {1, 2, 4, 5, 11}) {
      for (const int64_t many : {16, 31, 64, 100}) {
        SCOPED_TRACE(testing::Message() << batch << " x " << few << " x " << many);
        for (const auto& make :
             {+[](torch::IntArrayRef s, torch::ScalarType t) { return random_tensor(s, t); }, &part_of}) {
          const Tensor matrix = make({batch, few, many}, GetParam()), turned = matrix.transpose(1, 2);
          const Tensor x = make({batch, 1, many}, GetParam()), w = make({batch, 1, few}, GetParam());
          EXPECT_TRUE(equals_double(thin_product(matrix, x.transpose(1, 2)), matrix, x.transpose(1, 2)));
          EXPECT_TRUE(equals_double(thin_product(x, turned), x, turned));
          EXPECT_TRUE(equals_double(thin_product(w, matrix), w, matrix));
          EXPECT_TRUE(equals_double(thin_product(turned, w.transpose(1, 2)), turned, w.transpose(1, 2)));
          EXPECT_TRUE(equals_double(thin_product(w.transpose(1, 2), x), w.transpose(1, 2), x));
        }
      }
    }
  }
}

TEST_P(ThinProduct, ReadsAnExpandedTensor) {
  SKIP_WITHOUT_KERNELS();
  const Tensor matrix = random_tensor({1, 3, 32}, GetParam()).expand({5, 3, 32});
  const Tensor x = random_tensor({5, 32, 1}, GetParam()), same = random_tensor({1, 1, 1}, GetParam()).expand({5, 1, 3});
  EXPECT_TRUE(equals_double(thin_product(matrix, x), matrix, x));
  EXPECT_TRUE(equals_double(thin_product(same, matrix), same, matrix));
}

TEST_P(ThinProduct, LeavesOtherProductsToTorch) {
  const auto random = [](torch::IntArrayRef sizes) { return random_tensor(sizes, GetParam()); };
  EXPECT_FALSE(thin_product(random({2, 3, 32}), random({2, 32, 2})).defined());
  EXPECT_FALSE(thin_product(random({2, 3, 4}), random({2, 4, 1})).defined());  // shorter than a vector
  EXPECT_FALSE(thin_product(random({0, 3, 32}), random({0, 32, 1})).defined());
  EXPECT_FALSE(thin_product(random({2, 3, 32}), random({2, 31, 1})).defined());
  EXPECT_FALSE(thin_product(random({2, 3, 32}), random({3, 32, 1})).defined());
  EXPECT_FALSE(thin_product(random({2, 3, 32}), random({2, 32, 1}).to(torch::kDouble)).defined());
}

TEST_P(ThinProduct, IsTorchsBmmWithItsGradients) {
  take_over_torch_products();
  torch::manual_seed(2);
  const Tensor u = random_tensor({40, 4, 48}, GetParam()), q = random_tensor({40, 48, 1}, GetParam());
  const Tensor direction = random_tensor({40, 1, 48}, GetParam());
  const auto found = [&](torch::ScalarType type) {
    const Tensor a = trainable(u.to(type)), b = trainable(q.to(type));
    const Tensor p = torch::softmax(torch::bmm(a, b) / 7, 1);
    const Tensor c = torch::bmm(p.transpose(1, 2), a);
    std::vector<Tensor> all = gradients(c, direction, {a, b});
    all.push_back(c.detach());
    return all;
  };
  const std::vector<Tensor> here = found(GetParam()), exact = found(torch::kDouble);
  for (size_t i = 0; i < here.size(); ++i)
    EXPECT_TRUE(near(here[i], exact[i], 4 * tolerance_of(GetParam()))) << i;
  EXPECT_THROW(torch::bmm(u, q.narrow(0, 0, 3)), c10::Error);
  EXPECT_THROW(torch::bmm(u, q.to(torch::kDouble)), c10::Error);
  EXPECT_EQ(torch::bmm(u.narrow(0, 0, 0), q.narrow(0, 0, 0)).size(0), 0);
}

INSTANTIATE_TEST_SUITE_P(Types, ThinProduct, ::testing::Values(torch::kFloat, torch::kBFloat16),
                         [](const auto& info) { return std::string(torch::toString(info.param)); });

}  // namespace
}  // namespace plugtune::kernels
