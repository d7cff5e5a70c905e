#pragma once
// tensors.h - how this folder's functions get from tensors to rows of elements. Private to kernels/.

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/cpu/elements.h"
#include "kernels/cpu/targets.h"
#include "kernels/random.h"
#include "plugtune/layout.h"

namespace plugtune::kernels {

/// True where cpu/ has a kernel, unless they are off; elsewhere the span is composed of ATen's operations (composed.h).
inline bool has_cpu_kernel(const Tensor& rows) {
  return !cpu::kernels_are_off() && rows.device().is_cpu() &&
         (rows.scalar_type() == torch::kFloat || rows.scalar_type() == torch::kBFloat16);
}

/// True when autograd will want a gradient of one of them.
template <class... Tensors>
bool needs_graph(const Tensors&... tensors) {
  return torch::GradMode::is_enabled() && (... || (tensors.defined() && tensors.requires_grad()));
}

/// body(T()) with the element type that cpu/ calls the tensor's.
template <class Body>
void with_elements_of(const Tensor& rows, const Body& body) {
  if (rows.scalar_type() == torch::kBFloat16) {
    body(cpu::Bf16());
  } else {
    TORCH_INTERNAL_ASSERT(rows.scalar_type() == torch::kFloat);
    body(float());
  }
}

/// The elements of a tensor; null if it is undefined.
template <class T>
T* elements(const Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  TORCH_INTERNAL_ASSERT(tensor.element_size() == sizeof(T));
  return static_cast<T*>(tensor.data_ptr());
}

/// Parameters come in the type of the rows; kernels read them as floats.
inline Tensor as_floats(const Tensor& parameter) { return parameter.detach().to(torch::kFloat).contiguous(); }

/// Rows are shared among threads in chunks of this many. Sums over rows (gradients of parameters) are taken chunk by chunk
/// and then over the chunks in order, so they do not depend on the number of threads.
inline constexpr int64_t kChunkRows = 32;

inline int64_t chunk_count(int64_t rows) { return (rows + kChunkRows - 1) / kChunkRows; }

/// body(chunk, begin, end) for each chunk of rows, in parallel.
template <class Body>
void for_each_chunk(int64_t rows, const Body& body) {
  at::parallel_for(0, chunk_count(rows), 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      body(chunk, chunk * kChunkRows, std::min(rows, (chunk + 1) * kChunkRows));
    }
  });
}

/// A row of `columns` for each chunk, to be summed over dimension 0.
inline Tensor chunk_sums(int64_t rows, int64_t columns) {
  return torch::empty({chunk_count(rows), columns}, torch::kFloat);
}

inline cpu::Mask mask_of(const Dropout& dropout) {
  cpu::Mask mask;
  mask.seed = dropout.seed;
  mask.threshold = static_cast<uint32_t>(dropout.p * 65536 + 0.5);
  mask.scale = mask.threshold >= 65536 ? 0 : 65536.0f / static_cast<float>(65536 - mask.threshold);
  return mask;
}

inline void save_dropout(torch::autograd::AutogradContext* ctx, const Dropout& dropout) {
  ctx->saved_data["p"] = dropout.p;
  ctx->saved_data["seed"] = static_cast<int64_t>(dropout.seed);
}
inline Dropout saved_dropout(torch::autograd::AutogradContext* ctx) {
  return {ctx->saved_data["p"].toDouble(), static_cast<uint64_t>(ctx->saved_data["seed"].toInt())};
}

}  // namespace plugtune::kernels
