// activation.cc - GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415) in its exact form, forward and backward.
//
// One exponential and one division per element (math-inl.h), where ATen's backward takes an erf and an exponential.
// Loops run over columns in vectors; callers share rows among threads.
#include "kernels/cpu/activation.h"

#include "kernels/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/activation.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace plugtune::kernels::cpu {
namespace HWY_NAMESPACE {

template <class T>
HWY_INLINE void gelu_rows(const T* x, const float* bias, T* out, size_t begin, size_t end, size_t columns) {
  for (size_t row = begin; row < end; ++row) {
    const T* const from = x + row * columns;
    T* const to = out + row * columns;
    for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
      auto u = load(from + i, part);
      if (bias != nullptr) u = hn::Add(u, load(bias + i, part));
      store(hn::Mul(u, normal(u).distribution), to + i, part);
    });
  }
}
void GeluFloat(const float* x, const float* bias, float* out, size_t begin, size_t end, size_t columns) {
  gelu_rows(x, bias, out, begin, end, columns);
}
void GeluBf16(const Bf16* x, const float* bias, Bf16* out, size_t begin, size_t end, size_t columns) {
  gelu_rows(x, bias, out, begin, end, columns);
}

template <class T>
HWY_INLINE void gelu_gradient_rows(const T* grad_out, const T* x, const float* bias, T* grad_x, size_t begin,
                                   size_t end, size_t columns, float* grad_bias) {
  if (grad_bias != nullptr) std::memset(grad_bias, 0, columns * sizeof(float));
  for (size_t row = begin; row < end; ++row) {
    const T* const from = x + row * columns;
    const T* const grad = grad_out + row * columns;
    T* const to = grad_x + row * columns;
    for_each_vector(columns, [&](size_t i, auto part) HWY_ATTR {
      auto u = load(from + i, part);
      if (bias != nullptr) u = hn::Add(u, load(bias + i, part));
      const Normal at = normal(u);
      const auto gradient = hn::Mul(load(grad + i, part), hn::MulAdd(u, at.density, at.distribution));
      store(gradient, to + i, part);
      if (grad_bias != nullptr) store(hn::Add(load(grad_bias + i, part), gradient), grad_bias + i, part);
    });
  }
}
void GeluGradientFloat(const float* grad_out, const float* x, const float* bias, float* grad_x, size_t begin,
                       size_t end, size_t columns, float* grad_bias) {
  gelu_gradient_rows(grad_out, x, bias, grad_x, begin, end, columns, grad_bias);
}
void GeluGradientBf16(const Bf16* grad_out, const Bf16* x, const float* bias, Bf16* grad_x, size_t begin, size_t end,
                      size_t columns, float* grad_bias) {
  gelu_gradient_rows(grad_out, x, bias, grad_x, begin, end, columns, grad_bias);
}

}  // namespace HWY_NAMESPACE
}  // namespace plugtune::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace plugtune::kernels::cpu {
HWY_EXPORT(GeluFloat);
HWY_EXPORT(GeluBf16);
HWY_EXPORT(GeluGradientFloat);
HWY_EXPORT(GeluGradientBf16);

void gelu(const float* x, const float* bias, float* out, size_t begin, size_t end, size_t columns) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(GeluFloat)(x, bias, out, begin, end, columns);
}
void gelu(const Bf16* x, const float* bias, Bf16* out, size_t begin, size_t end, size_t columns) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(GeluBf16)(x, bias, out, begin, end, columns);
}
void gelu_gradient(const float* grad_out, const float* x, const float* bias, float* grad_x, size_t begin, size_t end,
                   size_t columns, float* grad_bias) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(GeluGradientFloat)(grad_out, x, bias, grad_x, begin, end, columns, grad_bias);
}
void gelu_gradient(const Bf16* grad_out, const Bf16* x, const float* bias, Bf16* grad_x, size_t begin, size_t end,
                   size_t columns, float* grad_bias) {
  chosen_instruction_set();
  HWY_DYNAMIC_DISPATCH(GeluGradientBf16)(grad_out, x, bias, grad_x, begin, end, columns, grad_bias);
}

}  // namespace plugtune::kernels::cpu
#endif
