#pragma once
// counters.h - what a piece of work costs in counts that no machine changes: tensors and bytes allocated, matrix products, nodes of
// the autograd graph.

#include <ATen/record_function.h>
#include <ATen/SequenceNumber.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/types.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace plugtune::testing {

/// torch's CPU allocator, counting. Installed by the first call of instance(), for the rest of the process.
class CountingAllocator final : public c10::Allocator {
 public:
  static CountingAllocator& instance() {
    static CountingAllocator* const allocator = [] {
      auto* made = new CountingAllocator;
      c10::SetCPUAllocator(made, /*priority=*/1);
      return made;
    }();
    return *allocator;
  }

  c10::DataPtr allocate(size_t bytes) override {
    auto block = std::make_unique<Block>(Block{c10::alloc_cpu(bytes), static_cast<int64_t>(bytes)});
    ++count;
    total += block->bytes;
    const int64_t now = live += block->bytes;
    for (int64_t before = peak; before < now && !peak.compare_exchange_weak(before, now);) {
    }
    void* const data = block->data;
    return {data, block.release(), &CountingAllocator::release, c10::Device(c10::kCPU)};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  std::atomic<int64_t> count = 0;  ///< allocations so far
  std::atomic<int64_t> total = 0;  ///< bytes of all of them
  std::atomic<int64_t> live = 0;   ///< bytes of those that are not freed
  std::atomic<int64_t> peak = 0;   ///< the most that `live` has been

 private:
  struct Block {
    void* data;
    int64_t bytes;
  };
  static void release(void* context) {
    const std::unique_ptr<Block> block(static_cast<Block*>(context));
    instance().live -= block->bytes;
    c10::free_cpu(block->data);
  }
};

/// A product of two matrices: (rows, inner) x (inner, columns).
using Product = std::array<int64_t, 3>;

/// The matrix products that ATen computes in this thread while one is alive.
class RecordedProducts {
 public:
  RecordedProducts() {
    current() = &products;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&RecordedProducts::note).needsInputs(true));
  }
  ~RecordedProducts() {
    at::removeCallback(handle_);
    current() = nullptr;
  }
  RecordedProducts(const RecordedProducts&) = delete;
  RecordedProducts& operator=(const RecordedProducts&) = delete;

  std::vector<Product> products;

 private:
  static std::vector<Product>*& current() {
    thread_local std::vector<Product>* list = nullptr;
    return list;
  }
  static std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& function) {
    const std::string name = function.name();
    const size_t first = name == "aten::mm" ? 0 : name == "aten::addmm" || name == "aten::addmm_" ? 1 : 2;
    if (first == 2 || current() == nullptr) return nullptr;
    const at::Tensor &a = function.inputs()[first].toTensor(), &b = function.inputs()[first + 1].toTensor();
    current()->push_back({a.size(0), a.size(1), b.size(1)});
    return nullptr;
  }
  at::CallbackHandle handle_;
};

/// Nodes that this thread has put into autograd graphs so far.
inline uint64_t graph_nodes() { return at::sequence_number::peek(); }

}  // namespace plugtune::testing
