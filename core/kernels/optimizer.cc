// optimizer.cc - flat-buffer passes shared among threads.
#include "kernels/optimizer.h"

#include <cmath>
#include <numeric>

#include "kernels/cpu/optimizer.h"
#include "kernels/tensors.h"

namespace plugtune::kernels {
namespace {

constexpr int64_t kChunkElements = 1 << 15;  // 128 KB of each buffer

/// What every element of a segment shares, in double.
struct Step {
  double decay, beta1, beta2, step_size, root, eps, grad_scale;
};

Step step_of(const AdamWSegment& segment, double beta1, double beta2, double eps, int64_t step, double grad_scale) {
  const double count = static_cast<double>(step);
  return {1 - segment.learning_rate * segment.weight_decay,
          beta1,
          beta2,
          segment.learning_rate / (1 - std::pow(beta1, count)),
          std::sqrt(1 - std::pow(beta2, count)),
          eps,
          grad_scale};
}

cpu::AdamW in_float(const Step& step) {
  return {static_cast<float>(step.decay),     static_cast<float>(step.beta1),     static_cast<float>(step.beta2),
          static_cast<float>(1 - step.beta1), static_cast<float>(1 - step.beta2), static_cast<float>(step.step_size),
          static_cast<float>(1 / step.root),  static_cast<float>(step.eps),       static_cast<float>(step.grad_scale)};
}

/// Of the passes over flat buffers, which are float.
bool has_flat_kernel(const Tensor& flat) { return has_cpu_kernel(flat) && flat.scalar_type() == torch::kFloat; }

/// For types and devices without a kernel.
void composed_adamw(const Step& step, Tensor params, const Tensor& grads, Tensor exp_avg, Tensor exp_avg_sq) {
  const Tensor grad = grads * step.grad_scale;
  params.mul_(step.decay);
  exp_avg.mul_(step.beta1).add_(grad, 1 - step.beta1);
  exp_avg_sq.mul_(step.beta2).addcmul_(grad, grad, 1 - step.beta2);
  params.addcdiv_(exp_avg, exp_avg_sq.sqrt().div_(step.root).add_(step.eps), -step.step_size);
}

}  // namespace

double sum_of_squares(const Tensor& flat_grad) {
  if (!has_flat_kernel(flat_grad)) {
    return flat_grad.to(torch::kDouble).square().sum().item<double>();
  }
  const Tensor grad = flat_grad.contiguous();
  const int64_t n = grad.numel(), chunks = (n + kChunkElements - 1) / kChunkElements;
  const float* const values = grad.const_data_ptr<float>();
  std::vector<double> sums(chunks);
  at::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t begin = chunk * kChunkElements;
      sums[chunk] = cpu::sum_of_squares(values + begin, std::min(n - begin, kChunkElements));
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void adamw(Tensor& params, const Tensor& grads, Tensor& exp_avg, Tensor& exp_avg_sq,
           const std::vector<AdamWSegment>& segments, double beta1, double beta2, double eps, int64_t step,
           double grad_scale, Tensor* bf16_copy) {
  TORCH_INTERNAL_ASSERT(step >= 1);
  for (const Tensor* buffer : std::initializer_list<const Tensor*>{&params, &grads, &exp_avg, &exp_avg_sq}) {
    TORCH_INTERNAL_ASSERT(buffer->dim() == 1 && buffer->is_contiguous() && buffer->size(0) == params.size(0));
    TORCH_INTERNAL_ASSERT(buffer->scalar_type() == params.scalar_type());
  }
  const torch::NoGradGuard no_grad;
  if (!has_flat_kernel(params)) {
    for (const AdamWSegment& segment : segments) {
      const auto part = [&](const Tensor& buffer) { return buffer.slice(0, segment.begin, segment.end); };
      composed_adamw(step_of(segment, beta1, beta2, eps, step, grad_scale), part(params), part(grads), part(exp_avg),
                     part(exp_avg_sq));
      if (bf16_copy != nullptr) part(*bf16_copy).copy_(part(params));
    }
    return;
  }

  float* const p = params.mutable_data_ptr<float>();
  float* const m = exp_avg.mutable_data_ptr<float>();
  float* const v = exp_avg_sq.mutable_data_ptr<float>();
  const float* const g = grads.const_data_ptr<float>();
  cpu::Bf16* const copy = bf16_copy == nullptr ? nullptr : elements<cpu::Bf16>(*bf16_copy);
  // Threads share the buffer, not the segments: one per parameter, they are anything from one bias to a word table.
  at::parallel_for(0, params.size(0), kChunkElements, [&](int64_t first, int64_t last) {
    for (const AdamWSegment& segment : segments) {
      const int64_t begin = std::max(first, segment.begin), end = std::min(last, segment.end);
      if (begin >= end) continue;
      cpu::adamw(in_float(step_of(segment, beta1, beta2, eps, step, grad_scale)), p + begin, g + begin, m + begin,
                 v + begin, copy == nullptr ? nullptr : copy + begin, end - begin);
    }
  });
}

}  // namespace plugtune::kernels
