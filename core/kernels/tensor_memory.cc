// tensor_memory.cc - a caching allocator: best fit among kept blocks, the oldest go first.
#include "kernels/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <algorithm>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

namespace plugtune::kernels {
namespace {

constexpr size_t kSmallest = 64 << 10;  // what malloc does well
constexpr size_t kPage = 4 << 10, kHugePage = 2 << 20;
constexpr size_t kSlack = 32 << 20;

size_t rounded_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

/// New pages, null when there are none. Large blocks begin where a huge page can, and ask for them.
char* map(size_t bytes) {
  const size_t ahead = bytes >= 4 * kHugePage ? kHugePage : 0;
  void* const got = ::mmap(nullptr, bytes + ahead, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  char* const first = static_cast<char*>(got);
  if (ahead == 0) return first;
  char* const begin =
      first + (rounded_up(reinterpret_cast<size_t>(first), kHugePage) - reinterpret_cast<size_t>(first));
  if (begin != first) ::munmap(first, begin - first);
  if (begin != first + ahead) ::munmap(begin + bytes, first + ahead - begin);
  ::madvise(begin, bytes, MADV_HUGEPAGE);
  return begin;
}

class TensorMemory final : public c10::Allocator {
 public:
  static TensorMemory& instance() {
    static TensorMemory* const memory = new TensorMemory;  // tensors may outlive every static object
    return *memory;
  }

  c10::DataPtr allocate(size_t bytes) override {
    void* const data = bytes < kSmallest ? c10::alloc_cpu(bytes) : take(bytes);
    return {data, data, &TensorMemory::give, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &TensorMemory::give; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  size_t mapped() {
    const std::lock_guard lock(mutex_);
    return mapped_;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    while (!kept_.empty())
      unmap(release(kept_.begin()));
    most_ = in_use_;
  }

 private:
  struct Block {
    char* data;
    size_t bytes;
  };
  struct Used {
    size_t block, asked;
  };
  using Kept = std::list<Block>;

  static void give(void* data) {
    // Blocks begin with a page; of malloc's few do.
    if (reinterpret_cast<size_t>(data) % kPage == 0 && instance().keep(static_cast<char*>(data))) return;
    c10::free_cpu(data);
  }

  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t asked = rounded_up(bytes, kPage);
    const Block block = find(asked);
    if (block.data == nullptr) return c10::alloc_cpu(bytes);  // which says how much was asked for, as torch does
    used_[block.data] = {block.bytes, asked};
    in_use_ += asked;
    most_ = std::max(most_, in_use_);
    return block.data;
  }

  Block find(size_t asked) {
    const size_t most = std::max(most_, in_use_ + asked), limit = most + most / 4 + kSlack;
    const auto fitting = by_size_.lower_bound(asked);
    const bool is_close = fitting != by_size_.end() && fitting->first <= asked + asked / 4;
    // Where there is no room for a new block one of up to twice the size does: its pages are there anyway.
    const bool is_half_used = fitting != by_size_.end() && fitting->first <= 2 * asked && mapped_ + asked > limit;
    if (is_close || is_half_used) return release(fitting->second);
    while (mapped_ + asked > limit && !kept_.empty())
      unmap(release(kept_.begin()));
    char* data = map(asked);
    while (data == nullptr && !kept_.empty()) {
      unmap(release(kept_.begin()));
      data = map(asked);
    }
    if (data != nullptr) mapped_ += asked;
    return {data, asked};
  }

  bool keep(char* data) {
    const std::lock_guard lock(mutex_);
    const auto found = used_.find(data);
    if (found == used_.end()) return false;
    const auto [bytes, asked] = found->second;
    used_.erase(found);
    in_use_ -= asked;
    by_size_.emplace(bytes, kept_.insert(kept_.end(), {data, bytes}));
    return true;
  }

  /// Out of those that are kept.
  Block release(Kept::iterator place) {
    const Block block = *place;
    auto entry = by_size_.lower_bound(block.bytes);
    while (entry->second != place)
      ++entry;
    by_size_.erase(entry);
    kept_.erase(place);
    return block;
  }

  void unmap(const Block& block) {
    ::munmap(block.data, block.bytes);
    mapped_ -= block.bytes;
  }

  std::mutex mutex_;
  std::unordered_map<char*, Used> used_;
  Kept kept_;  // the oldest first
  std::multimap<size_t, Kept::iterator> by_size_;
  size_t mapped_ = 0;             // bytes of all blocks
  size_t in_use_ = 0, most_ = 0;  // bytes that tensors asked for
};

}  // namespace

void keep_tensor_memory() { c10::SetCPUAllocator(&TensorMemory::instance(), /*priority=*/1); }

void forget_tensor_memory() { TensorMemory::instance().forget(); }

int64_t mapped_tensor_bytes() { return static_cast<int64_t>(TensorMemory::instance().mapped()); }

}  // namespace plugtune::kernels
