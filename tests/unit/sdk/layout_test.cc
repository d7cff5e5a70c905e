// layout_test.cc - prefixes in front of packed sequences, and away again.
#include "plugtune/layout.h"

#include <gtest/gtest.h>

#include "plugtune/error.h"

namespace plugtune {
namespace {

TEST(Layout, APrefixComesAndGoes) {
  const Layout layout(std::vector<int64_t>{2, 1, 3}, torch::kCPU);
  const Tensor rows = torch::arange(12.0).view({6, 2}), prefix = -torch::ones({2, 2});
  const Tensor longer = layout.prepend(prefix, rows);
  EXPECT_EQ(longer.size(0), 12);
  EXPECT_TRUE(layout.with_prefix(2).drop_prefix(longer, 2).equal(rows));
}

/// The lengths are looked at before anything is sized by them.
TEST(Layout, ASequenceShorterThanThePrefixIsAnError) {
  for (const auto& [lengths, n] : {std::pair{std::vector<int64_t>{2, 2}, int64_t{3}},
                                   std::pair{std::vector<int64_t>{200'000, 1}, int64_t{100'000}}}) {
    const Layout layout(lengths, torch::kCPU);
    try {
      layout.drop_prefix(torch::zeros({layout.rows(), 1}), n);
      FAIL() << n;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("rows cannot lose a prefix of " + std::to_string(n)), std::string::npos)
          << error.what();
    }
  }
}

}  // namespace
}  // namespace plugtune
