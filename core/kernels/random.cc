// random.cc - drawing dropout's seeds, and its masks as tensors.
#include "kernels/random.h"

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>

#include "kernels/cpu/targets.h"
#include "kernels/simd.h"
#include "kernels/tensors.h"

namespace plugtune::kernels {

const std::string& instruction_set() { return cpu::chosen_instruction_set(); }

Dropout draw_dropout(double p, bool training) {
  TORCH_INTERNAL_ASSERT(p >= 0 && p <= 1);
  if (!training || p == 0) return {};
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return {p, at::check_generator<at::CPUGeneratorImpl>(generator)->random64()};
}

Tensor dropout_multipliers(const Dropout& dropout, int64_t rows, int64_t columns, int64_t first_row) {
  const cpu::Mask mask = mask_of(dropout);
  Tensor multipliers = torch::empty({rows, columns}, torch::kFloat);
  for_each_chunk(rows, [&](int64_t, int64_t begin, int64_t end) {
    cpu::fill_multipliers(mask, first_row, begin, end, columns, multipliers.mutable_data_ptr<float>());
  });
  return multipliers;
}

}  // namespace plugtune::kernels
