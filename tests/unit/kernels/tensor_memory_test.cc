// tensor_memory_test.cc - blocks are used again, no more is held than what lived at once, and threads may share it.
#include "kernels/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <thread>
#include <vector>

namespace plugtune::kernels {
namespace {

constexpr int64_t kMiB = 1 << 20, kSlack = 32 * kMiB;

torch::Tensor bytes(int64_t count) { return torch::empty({count}, torch::kByte); }

class TensorMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    keep_tensor_memory();
    forget_tensor_memory();
    before_ = mapped_tensor_bytes();
  }
  int64_t mapped() const { return mapped_tensor_bytes() - before_; }

 private:
  int64_t before_ = 0;
};

TEST_F(TensorMemory, ABlockIsGivenToTheNextTensorThatFits) {
  const void* first = bytes(8 * kMiB).data_ptr();
  EXPECT_EQ(mapped(), 8 * kMiB);
  EXPECT_EQ(bytes(8 * kMiB - 5000).data_ptr(), first);
  EXPECT_EQ(mapped(), 8 * kMiB);
}

TEST_F(TensorMemory, TheClosestBlockIsTaken) {
  torch::Tensor larger = bytes(9 * kMiB), close = bytes(8 * kMiB);
  const void* const place = close.data_ptr();
  larger.reset(), close.reset();
  EXPECT_EQ(bytes(8 * kMiB).data_ptr(), place);
}

TEST_F(TensorMemory, SmallTensorsAreLeftToMalloc) {
  const torch::Tensor small = bytes(1000);
  EXPECT_EQ(mapped(), 0);
  EXPECT_FALSE(bytes(0).data_ptr());
}

TEST_F(TensorMemory, NoMoreIsHeldThanLivedAtOnceAndALittleAbove) {
  constexpr int64_t kMost = 64 * kMiB;
  for (int64_t size = 1; size <= 64; ++size) {
    std::vector<torch::Tensor> tensors;
    for (int64_t i = 0; i < 64 / size; ++i)
      tensors.push_back(bytes(size * kMiB + size));
  }
  EXPECT_LE(mapped(), kMost + kMost / 4 + kSlack + kMiB);
  forget_tensor_memory();
  EXPECT_EQ(mapped(), 0);
}

TEST_F(TensorMemory, WhereThereIsNoRoomForANewBlockOneOfUpToTwiceTheSizeServes) {
  const void* const place = bytes(512 * kMiB).data_ptr();
  const torch::Tensor much = bytes(100 * kMiB);
  EXPECT_EQ(mapped(), 612 * kMiB) << "there is room: a quarter of 512 MiB and 32 MiB";
  EXPECT_EQ(bytes(300 * kMiB).data_ptr(), place);
  bytes(200 * kMiB);
  EXPECT_EQ(mapped(), 300 * kMiB) << "the block of 512 MiB is too large for it and has gone";
}

TEST_F(TensorMemory, WhatIsWrittenStays) {
  std::vector<torch::Tensor> tensors;
  for (int64_t i = 0; i < 200; ++i) {
    tensors.push_back(torch::full({(i % 7 + 1) * 50'000}, i));
    if (i % 3 == 0) tensors[i / 2].reset();
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].defined()) continue;
    EXPECT_TRUE(tensors[i].eq(static_cast<int64_t>(i)).all().item<bool>()) << i;
  }
}

TEST_F(TensorMemory, ThreadsMayFreeWhatOthersMade) {
  std::vector<torch::Tensor> tensors(400);
  const auto work = [&](size_t first) {
    for (size_t i = first; i < tensors.size(); i += 4)
      tensors[i] = bytes(100'000 + static_cast<int64_t>(i) * 1000);
    for (size_t i = first; i < tensors.size(); i += 8)
      tensors[i].reset();
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i)
    threads.emplace_back(work, i);
  for (std::thread& thread : threads)
    thread.join();
  tensors.clear();
  forget_tensor_memory();
  EXPECT_EQ(mapped(), 0);
}

TEST_F(TensorMemory, MoreThanThereIsIsRefusedAsTorchRefusesIt) {
  try {
    bytes(int64_t{1} << 60);
    FAIL();
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what_without_backtrace()).find("you tried to allocate 1152921504606846976 bytes"),
              std::string::npos)
        << error.what_without_backtrace();
  }
  EXPECT_EQ(mapped(), 0);
}

TEST_F(TensorMemory, RawMemoryComesAndGoes) {
  c10::Allocator* const memory = c10::GetCPUAllocator();
  for (const size_t size : {size_t{100}, size_t{1} << 21}) {
    void* const data = memory->raw_allocate(size);
    ASSERT_NE(data, nullptr);
    memory->raw_deallocate(data);
  }
}

}  // namespace
}  // namespace plugtune::kernels
