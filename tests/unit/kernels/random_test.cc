// Dropout's random numbers: those of the paper, the same on every instruction set and number of threads.
#include <cmath>

#include "kernels/cpu/targets.h"
#include "kernels/dropout.h"
#include "kernels/reference.h"
#include "kernels/simd.h"
#include "plugtune/error.h"
#include "support.h"

namespace plugtune::kernels {
namespace {

/// Lets ctest run all of this once per instruction set, on processors that lack some as well.
class InstructionSetOfThisRun : public testing::Environment {
  void SetUp() override {
    try {
      std::cout << "instruction set: " << instruction_set() << "\n";
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
};
const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new InstructionSetOfThisRun);

TEST(InstructionSets, AnUnknownOneIsAnsweredWithThoseOfThisProcessor) {
  EXPECT_EQ(cpu::best_instruction_set("scalar"), "scalar");
  EXPECT_EQ(cpu::best_instruction_set(""), cpu::best_instruction_set(nullptr));
  std::string supported = "scalar";
  for (const char* name : {"avx2", "avx512"}) {
    try {
      cpu::best_instruction_set(name);
      supported = std::string(name) + ", " + supported;
    } catch (const Error&) {
      // This processor lacks it.
    }
  }
  try {
    cpu::best_instruction_set("mmx");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), "PLUGTUNE_SIMD: must be an instruction set of this processor (" + supported +
                                ") or none, got 'mmx'; unset it to use the best one");
  }
}

TEST(Philox, GivesThePublishedNumbers) {
  // kat_vectors of Random123 1.14, philox4x32 with 7 rounds.
  const auto expect = [](reference::PhiloxBlock in, uint32_t key0, uint32_t key1, reference::PhiloxBlock out) {
    const reference::PhiloxBlock found = reference::philox(in, key0, key1);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(found.words[i], out.words[i]) << std::hex << found.words[i];
  };
  expect({{0, 0, 0, 0}}, 0, 0, {{0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}});
  expect({{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}}, 0xffffffff, 0xffffffff,
         {{0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}});
  expect({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0,
         {{0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}});
}

TEST(Mask, IsTheReferencesElementByElement) {
  for (const int64_t columns : {1, 15, 16, 17, 127, 128, 129, 300, 768}) {
    const Dropout dropout{0.3, 0x123456789abcdef0 + static_cast<uint64_t>(columns)};
    const Tensor found = dropout_multipliers(dropout, 3, columns, /*first_row=*/5);
    for (int64_t r = 0; r < 3; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        ASSERT_FLOAT_EQ(found[r][c].item<float>(), reference::multiplier(dropout, 5 + r, c))
            << columns << " " << r << " " << c;
      }
    }
  }
}

TEST(Mask, DoesNotDependOnThreads) {
  const Dropout dropout{0.1, 7};
  Tensor one, two;
  {
    const Threads threads(1);
    one = dropout_multipliers(dropout, 500, 77);
  }
  {
    const Threads threads(2);
    two = dropout_multipliers(dropout, 500, 77);
  }
  EXPECT_TRUE(one.equal(two));
}

TEST(Mask, DropsWithItsProbabilityInEachRowAndColumn) {
  const int64_t rows = 1024, columns = 512;
  for (const double p : {0.1, 0.5, 0.9}) {
    const Tensor dropped = (dropout_multipliers({p, 99}, rows, columns) == 0).to(torch::kDouble);
    // Five standard deviations of a mean of that many.
    const auto bound = [p](int64_t n) { return 5 * std::sqrt(p * (1 - p) / static_cast<double>(n)); };
    EXPECT_NEAR(dropped.mean().item<double>(), p, bound(rows * columns));
    EXPECT_LT((dropped.mean(0) - p).abs().max().item<double>(), bound(rows));
    EXPECT_LT((dropped.mean(1) - p).abs().max().item<double>(), bound(columns));
    // Neighbours in either direction know nothing of each other.
    const Tensor centred = dropped - p;
    const double variance = p * (1 - p);
    const auto correlation = [&](const Tensor& a, const Tensor& b) { return (a * b).mean().item<double>() / variance; };
    const double limit = 5 / std::sqrt(static_cast<double>(rows * columns));
    EXPECT_LT(std::abs(correlation(centred.narrow(0, 1, rows - 1), centred.narrow(0, 0, rows - 1))), limit);
    EXPECT_LT(std::abs(correlation(centred.narrow(1, 1, columns - 1), centred.narrow(1, 0, columns - 1))), limit);
  }
}

TEST(Mask, KeepsTheExpectationAlthoughProbabilitiesAreRounded) {
  EXPECT_EQ(dropout_multipliers({1.0, 1}, 2, 40).abs().sum().item<double>(), 0);
  const Tensor kept = dropout_multipliers({0.1, 1}, 1, 100).max();
  const double p = std::lround(0.1 * 65536) / 65536.0;
  EXPECT_NEAR(kept.item<double>() * (1 - p), 1, 1e-6);
}

TEST(DrawDropout, IsOffOutsideTrainingAndFollowsTorchsSeed) {
  EXPECT_EQ(draw_dropout(0.5, /*training=*/false).p, 0);
  EXPECT_EQ(draw_dropout(0, /*training=*/true).p, 0);
  torch::manual_seed(3);
  const Dropout first = draw_dropout(0.5, true), second = draw_dropout(0.5, true);
  torch::manual_seed(3);
  EXPECT_EQ(draw_dropout(0.5, true).seed, first.seed);
  EXPECT_EQ(draw_dropout(0.5, true).seed, second.seed);
  EXPECT_NE(first.seed, second.seed);
}

TEST(DropoutSpan, MultipliesForwardAndBackwardByTheSameMask) {
  const Dropout mask{0.25, 11};
  for (const TypeCase& type : kTypes) {
    const Tensor x = trainable(random_tensor({9, 33}, type.type)), grad = random_tensor({9, 33}, type.type);
    const Tensor out = dropout(x, mask);
    const Tensor multipliers = dropout_multipliers(mask, 9, 33);
    EXPECT_EQ(out.scalar_type(), type.type);
    EXPECT_TRUE(near(out, in_double(x) * multipliers, type.tolerance));
    EXPECT_TRUE(near(gradients(out, grad, {x})[0], in_double(grad) * multipliers, type.tolerance));
  }
}

TEST(DropoutSpan, TakesAnyShapeAndReturnsTheInputWhenOff) {
  const Tensor x = random_tensor({2, 3, 5}, torch::kFloat);
  EXPECT_TRUE(dropout(x, {}).is_same(x));
  const Dropout mask{0.5, 4};
  const Tensor flat = dropout(x.view({6, 5}), mask);
  EXPECT_TRUE(dropout(x, mask).view({6, 5}).equal(flat));
  EXPECT_TRUE(dropout(x.transpose(0, 1), mask).equal(dropout(x.transpose(0, 1).contiguous(), mask)));
  EXPECT_EQ(dropout(torch::zeros({0, 4}), mask).numel(), 0);
}

}  // namespace
}  // namespace plugtune::kernels
